"""Objects whose count stands still: what is there is, what comes later is not, and a fork's pages stay shared."""

import subprocess
import sys

MAKE = "from worker_agent.immortal import is_immortal, make_all_immortal; made = make_all_immortal()"
LOOK_AT_ALL = """
import gc, os
import asyncio, decimal, email.message, json, logging, sqlalchemy, xml.dom.minidom
{make}
everything = gc.get_objects()
gc.freeze()
if os.fork() == 0:
    for found in everything:
        gc.get_referents(found)
    rows = open("/proc/self/smaps_rollup").read().splitlines()
    print(next(row.split()[1] for row in rows if row.startswith("Private_Dirty")))
    os._exit(0)
os.wait()
"""


def told(program: str) -> str:
    """What it printed. It has to come to a good end, in which the interpreter takes its objects down."""
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stderr == ""
    return run.stdout.strip()


def test_everything_that_is_there_is_immortal() -> None:
    program = f"""
import json
class Made:
    words = {{"a": ("some text of ours", 12345.678)}}
    def method(self): return "a constant of ours"
thing = Made()
thing.own = ["in a list"]
{MAKE}
seen = [Made, thing, thing.own, thing.own[0], Made.words, Made.words["a"], *Made.words["a"], Made.method, json.dumps]
seen += [Made.method.__code__, Made.method.__code__.co_consts, Made.method.__code__.co_consts[1], json.dumps.__code__]
print(made > len(seen), [each for each in seen if not is_immortal(each)])
"""
    assert told(program) == "True []"


def test_what_comes_later_lives_and_dies_as_ever() -> None:
    program = f"""
import gc, weakref
class Made: pass
{MAKE}
def live():
    thing = Made()
    thing.text = "x" * 1000 + str(id(thing))
    thing.itself = thing
    return weakref.ref(thing), is_immortal(thing) or is_immortal(thing.text)
seen, immortal = live()
gc.collect()
print(seen() is None, immortal)
"""
    assert told(program) == "True False"


def test_a_fork_that_looks_at_them_all_makes_no_copy_of_them() -> None:
    as_ever, immortal = (int(told(LOOK_AT_ALL.format(make=make))) for make in ("", MAKE))
    assert immortal < as_ever / 2
