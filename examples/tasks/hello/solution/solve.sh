#!/bin/bash
set -eu
read -r name < name.txt
echo "Hello, $name!" > /tmp/hello.txt
echo "wrote: $(cat /tmp/hello.txt)"
