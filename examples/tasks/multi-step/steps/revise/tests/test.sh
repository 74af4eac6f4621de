#!/bin/bash
halves=0
if head -n 1 /app/poem.txt | grep -q '^# '; then halves=$((halves + 1)); fi
if tail -n 1 /app/poem.txt | grep -q '^-- '; then halves=$((halves + 1)); fi
rewards=(0.0 0.5 1.0)
echo "${rewards[halves]}" > /logs/verifier/reward.txt
