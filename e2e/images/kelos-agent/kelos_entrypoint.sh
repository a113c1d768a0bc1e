#!/bin/sh
# An entrypoint as images for Kelos have it: the prompt is $1, what is known about the Task is in
# KELOS_ variables, and the results are printed as a block.
set -e
echo "asked as $KELOS_AGENT_TYPE: $1"
echo '---KELOS_OUTPUTS_START---'
echo "branch: made-by-image"
echo "commit: 0123456789abcdef0123456789abcdef01234567"
echo "prompt-bytes: $(printf '%s' "$1" | wc -c | tr -d ' ')"
echo '---KELOS_OUTPUTS_END---'
