#!/bin/bash
# One fifth for each right result; how many lines were written at all is a reward of its own.
expected=(2 5 13 34 89)
mapfile -t results < /app/results.txt
right=0
for number in "${!expected[@]}"; do
    if [ "${results[number]:-}" = "${expected[number]}" ]; then right=$((right + 1)); fi
done
cat > /logs/verifier/reward.json <<END
{"reward": 0.$((right * 2 % 10)), "answered": ${#results[@]}}
END
if [ "$right" = 5 ]; then echo '{"reward": 1.0, "answered": 5}' > /logs/verifier/reward.json; fi
