#!/bin/bash
if [ "$(cat /tmp/hello.txt)" = "Hello, fleet!" ]; then reward=1; else reward=0; fi
echo "$reward" > /logs/verifier/reward.txt
