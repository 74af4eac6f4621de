#!/bin/bash
if [ "$(wc -l < /app/poem.txt)" -ge 2 ]; then reward=1; else reward=0; fi
echo "$reward" > /logs/verifier/reward.txt
