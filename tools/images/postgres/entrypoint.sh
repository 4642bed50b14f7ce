#!/bin/bash
# Makes the database cluster on first start, as the upstream image does, then becomes the server.
# POSTGRES_PASSWORD is required; POSTGRES_USER, POSTGRES_DB and PGDATA have the upstream's defaults.
set -euo pipefail

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made aside and moved, so that a pod killed in the middle starts from nothing again.
    fresh=$PGDATA.new
    rm -rf "$fresh"
    initdb --pgdata="$fresh" --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:?set a password}") \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    echo "host all all all scram-sha-256" >>"$fresh/pg_hba.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\"" | postgres --single -D "$fresh" -j postgres
    fi
    mv "$fresh" "$PGDATA"
fi

exec "$@" -D "$PGDATA" -c listen_addresses='*'
