#!/bin/bash
echo "checking /app/done with a program that is not there"
exec /tests/no-such-checker /app/done
