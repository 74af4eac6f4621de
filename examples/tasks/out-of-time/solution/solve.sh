#!/bin/bash
for number in $(seq 600); do
    echo "$number" | tee -a count.txt
    sleep 1
done
