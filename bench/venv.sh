#!/bin/sh
# Makes .venv-bench, with what `make bench` measures beside ours, and nats-server in it. What cannot be had here is named, and left out.
set -eu

cd "$(dirname "$0")/.."
folder=.venv-bench
requirements=requirements/bench.txt

if ! scripts/venv.sh $folder $requirements; then
    # Each by itself, so that one does not keep out the others.
    grep -v '^#' $requirements | while read -r package; do
        $folder/bin/python -m pip install --quiet --disable-pip-version-check --constraint $requirements "$package" ||
            echo "==> Cannot be installed here, and is left out of the bench: $package"
    done
fi

server=$folder/bin/nats-server
if [ ! -x $server ]; then
    # Debian has it where only root's PATH looks.
    PATH=$PATH:/usr/sbin
    if found=$(command -v nats-server); then
        ln -sf "$found" $server
        exit 0
    fi
    echo '==> Unpacking the Debian package nats-server'
    # Not installed: that would start a server that listens to everybody.
    if (
        cd $folder
        if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
        apt-get download -qq -o APT::Sandbox::User=root nats-server &&
            dpkg-deb --extract nats-server_*.deb nats-server && rm nats-server_*.deb
    ); then
        ln -sf ../nats-server/usr/sbin/nats-server $server
    else
        echo '==> NATS is left out of the bench: there is no nats-server'
        echo 'hint: on Debian and Ubuntu: sudo apt-get install nats-server'
    fi
fi
