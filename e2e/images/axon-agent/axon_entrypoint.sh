#!/bin/sh
# An entrypoint of the contract that docs/agent-image-interface.md describes.
set -e
echo "asked as $AXON_AGENT_TYPE for $AXON_TASK: $1"
if [ "$1" = "fail" ]; then exit 3; fi
[ "$(cat "$AXON_PROMPT_FILE")" = "$1" ]
echo '---AXON_OUTPUTS_START---'
echo "prompt-file-bytes: $(wc -c <"$AXON_PROMPT_FILE" | tr -d ' ')"
echo '---AXON_OUTPUTS_END---'
