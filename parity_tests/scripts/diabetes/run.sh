#!/bin/sh
# Two steps in one job; every hyperparameter goes on to the second as a flag.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
python -m diabetes.prepare "$SM_CHANNEL_DIABETES" "$work/table.csv"
python -m diabetes.fit --table "$work/table.csv" "$@"
rm -r "$work"
echo "pipeline finished"
