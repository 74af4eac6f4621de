"""The client of the Celery application: a line of JSON in says what to do how often, a line out gives the answers.

{"task": "moment", "arguments": [[], []]}  →  {"asked": [unix time, …], "answers": [what each returned, …]}
"""

import json
import sys
import time

from bench.old_way import tasks

ANSWER_SECONDS = 1800.0


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        task = getattr(tasks, order["task"])
        asked, waiting = [], []
        for arguments in order["arguments"]:
            asked.append(time.time())
            waiting.append(task.delay(*arguments))
        answers = [each.get(timeout=ANSWER_SECONDS, interval=0.02) for each in waiting]
        print(json.dumps({"asked": asked, "answers": answers}), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
