#!/bin/bash
if [ "$(tail -n 1 /app/count.txt)" = 600 ]; then reward=1; else reward=0; fi
echo "$reward" > /logs/verifier/reward.txt
