#!/bin/bash
# Makes the data directory on first start, with a root that may come from other pods, then becomes the server.
set -euo pipefail

data=/data/mysql
if [ ! -d "$data/mysql" ]; then
    fresh=$data.new
    rm -rf "$fresh"
    mariadb-install-db --no-defaults --datadir="$fresh" --auth-root-authentication-method=normal --skip-test-db >&2
    printf '%s\n' "FLUSH PRIVILEGES;" \
        "CREATE USER 'root'@'%' IDENTIFIED BY '${MYSQL_ROOT_PASSWORD:?set a password}';" \
        "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;" |
        mariadbd --no-defaults --bootstrap --datadir="$fresh" --lc-messages-dir=/usr/share/mysql
    mv "$fresh" "$data"
fi

# The backend's tables were made for a server without strict mode and with its own default character set.
exec mariadbd --no-defaults --datadir="$data" --socket=/tmp/mysql.sock --pid-file=/tmp/mysql.pid --port=3306 \
    --bind-address=0.0.0.0 --skip-name-resolve --sql-mode='' --character-set-server=utf8mb3 \
    --lc-messages-dir=/usr/share/mysql --innodb-buffer-pool-size=64M --performance-schema=OFF
