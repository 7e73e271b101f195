#!/bin/sh
# venv.sh FOLDER REQUIREMENTS: makes the Python environment FOLDER hold exactly REQUIREMENTS.
# Does nothing when it was made from the same requirements by the same Python.
set -eu

folder=$1
requirements=$2
python=${PYTHON:-python3}

wanted=$("$python" -c '
import hashlib, sys
print(sys.version.split()[0], hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())
' "$requirements")
# The folder's own path is part of it: an environment does not survive being moved.
wanted="$wanted $(pwd)"
stamp=$folder/.made-from

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

echo "==> Making the Python environment $folder from $requirements"
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
printf '%s\n' "$wanted" >"$stamp"
