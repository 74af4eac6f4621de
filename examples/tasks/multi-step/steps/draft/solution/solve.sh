#!/bin/bash
printf '%s\n' 'Sixty small boats' 'leave one harbour' > poem.txt
