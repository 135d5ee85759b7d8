#!/usr/bin/env bash
# What the tests of a real STAC API need: a PostgreSQL server with PostGIS, and an environment of its own for
# the API (its pins are not ours). Does nothing where both are there. Fails with the reason where one cannot be had.
#   VENV_PGSTAC=...  the environment's folder     PYTHON=...  the interpreter that makes it (3.11 or later)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

venv="${VENV_PGSTAC:-.venv-pgstac}"
packages=('stac-fastapi-pgstac>=7,<8' 'pypgstac[psycopg]>=0.9.9,<0.11' 'uvicorn>=0.30')

postgres_ready() {
    local server
    for server in /usr/lib/postgresql/*; do
        [ -x "$server/bin/initdb" ] && [ -f "/usr/share/postgresql/${server##*/}/extension/postgis.control" ] && return
    done
    return 1
}

if ! postgres_ready; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "PostgreSQL with PostGIS is not here, and only root can install it with apt-get" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
        for server in /usr/lib/postgresql/*; do wanted=("postgresql-${server##*/}-postgis-3"); done
    else
        wanted=(postgresql postgresql-postgis)
    fi
    apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
    postgres_ready || { echo "PostGIS was installed, but for no PostgreSQL server that is here" >&2; exit 1; }
fi

# The stamp holds the requirements: it is written last, and other requirements make another environment.
stamp="$venv/.requirements"
if [ "$(cat "$stamp" 2>/dev/null)" != "${packages[*]}" ]; then
    python="${PYTHON:-}"
    for candidate in .venv/bin/python python3 python3.13 python3.12 python3.11; do
        [ -z "$python" ] || break
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && python="$candidate"
    done
    [ -n "$python" ] || { echo "no Python of at least 3.11 found; say PYTHON=/path/to/python3.11" >&2; exit 1; }
    "$python" -m venv --clear "$venv"
    echo '*' >"$venv/.gitignore"
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "${packages[@]}"
    echo "${packages[*]}" >"$stamp"
fi
