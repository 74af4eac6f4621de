#!/bin/bash
if [ "$(cat /tmp/password.txt)" = "safe anchorage" ]; then reward=1; else reward=0; fi
echo "$reward" > /logs/verifier/reward.txt
