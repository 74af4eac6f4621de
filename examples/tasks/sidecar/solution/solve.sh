#!/bin/bash
set -eu
exec 3<> /dev/tcp/harbour/7000
cat <&3 > /tmp/password.txt
