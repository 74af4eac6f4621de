#!/bin/bash
# A title, and no signature: half of what was asked.
printf '# Morning\n%s\n' "$(cat poem.txt)" > titled.txt
mv titled.txt poem.txt
