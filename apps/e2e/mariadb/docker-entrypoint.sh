#!/bin/bash
# What the image mariadb:10.11 does at a start, as far as the manifests use it: an empty folder
# gets the system tables, the database and the accounts that the environment names, from a
# server that nobody reaches and that is no node of a cluster.
set -euo pipefail

data=/var/lib/mysql socket=/run/mysqld/mysqld.sock

secret() { # NAME: the variable, or the content of the file that NAME_FILE names
	local file="${1}_FILE"
	if [ -n "${!file:-}" ]; then cat "${!file}"; else printf %s "${!1:-}"; fi
}

quoted() { # TEXT as a literal of SQL
	local text=${1//\\/\\\\}
	printf "'%s'" "${text//\'/\\\'}"
}

if [ "${1:-}" = mariadbd ] && [ ! -d "$data/mysql" ]; then
	mariadb-install-db --datadir="$data" --rpm --auth-root-authentication-method=normal --skip-test-db "${@:2}" >/dev/null
	"$@" --skip-networking --socket="$socket" --wsrep_on=OFF &
	server=$!
	tries=0
	until mariadb --socket="$socket" --user=root --execute='SELECT 1' >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] && kill -0 "$server" || exit 1
		sleep 0.2
	done
	mariadb --socket="$socket" --user=root <<-SQL
		SET PASSWORD FOR root@localhost = PASSWORD($(quoted "$(secret MYSQL_ROOT_PASSWORD)"));
		CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;
		CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "$(secret MYSQL_PASSWORD)");
		GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO $(quoted "$MYSQL_USER")@'%';
	SQL
	kill "$server"
	wait "$server"
fi
exec "$@" --socket="$socket"
