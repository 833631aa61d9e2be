#!/bin/sh
# Starts PostgreSQL. At the first start it makes the cluster, the role and the database that the environment names,
# in the words of the official image, so that one compose file serves both.
set -eu
for directory in /usr/lib/postgresql/*/bin; do PATH="$directory:$PATH"; done

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    umask 077
    # A cluster counts when it is whole: one that was interrupted is made anew.
    rm -rf "$PGDATA" "$PGDATA.new"
    printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
    initdb -D "$PGDATA.new" -U "$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust ${POSTGRES_INITDB_ARGS:-} >/dev/null
    rm /tmp/password
    echo "listen_addresses = '*'" >>"$PGDATA.new/postgresql.conf"
    echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA.new" postgres >/dev/null
    mv "$PGDATA.new" "$PGDATA"
fi
unset POSTGRES_PASSWORD
exec "$@" -c unix_socket_directories=/var/run/postgresql
