#!/bin/sh
# Copies .env.example from standard input to standard output, with a fresh secret for each <…>.
set -eu

random() { head -c "$1" /dev/urandom; }

while IFS= read -r line; do
    case $line in
    \#*) ;;
    *"<hex>") line=${line%<hex>}$(random 24 | od -An -v -tx1 | tr -d ' \n') ;;
    *"<base64>") line=${line%<base64>}$(random 32 | base64) ;;
    *"<docker-gid>") line=${line%<docker-gid>}$(stat -c %g /var/run/docker.sock 2>/dev/null || echo 0) ;;
    esac
    printf '%s\n' "$line"
done
