#!/bin/sh
# Changes the password that the programs log in to the database with. Nothing restarts,
# and afterwards the old password is refused. Two users take turns: NAME and NAME-b.
#
#   sh base/mysql/rotate.sh                all of it, where the Secret was made by hand
#   sh base/mysql/rotate.sh begin FILE     where git or a secrets manager has the Secret: gives the user
#                                          whose turn it is a new password, writes user:password to FILE
#   sh base/mysql/rotate.sh finish FILE    waits until the Secret is what FILE says and nobody uses the
#                                          old user, and locks that one
#
# NAMESPACE     namespace of Rollcall (rollcall)
# MYSQL_DBNAME  name of the database (rollcall)
# MYSQL_CLIENT  how to reach a database outside of the cluster as an administrator, for example
#               "mysql --defaults-extra-file=admin.cnf"; if unset, the pod mysql-0 is used
#
# docs/operations.md explains it. Passwords go through pipes and files only: they are in no
# command line and in no log.
set -eu

secret=mysql-credentials
database=${MYSQL_DBNAME:-rollcall}
patience=${ROTATE_PATIENCE:-600} # seconds to wait for the pods
quiet=${ROTATE_QUIET:-20}        # seconds without a connection of the old user; programs ask the database every 5

die() {
	echo "rotate.sh: $*" >&2
	exit 1
}

kube() { kubectl -n "${NAMESPACE:-rollcall}" "$@"; }

# sql runs the statements on its standard input as an administrator.
sql() {
	if [ -n "${MYSQL_CLIENT-}" ]; then
		$MYSQL_CLIENT --batch --skip-column-names
	else
		kube exec -i mysql-0 -c mysql -- /bin/sh -c \
			'MYSQL_PWD="$(cat /etc/rollcall/mysql/root-password)" exec mysql --user=root --batch --skip-column-names'
	fi
}

# login prints user:password of the Secret.
login() { kube get secret "$secret" -o 'go-template={{index .data "userpassword" | base64decode}}'; }

# other prints the user whose turn it is after $1.
other() {
	case $1 in
	*[!A-Za-z0-9_-]* | '') die "the user \"$1\" has a name that this script does not quote; it takes letters, digits, _ and -" ;;
	*-b) echo "${1%-b}" ;;
	*) echo "$1-b" ;;
	esac
}

# A server that checks passwords wants one character of each kind.
new_password() { printf '%s-aA1' "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"; }

connections() {
	echo "SELECT CONCAT(COUNT(*), ' from ', COALESCE(GROUP_CONCAT(DISTINCT SUBSTRING_INDEX(host, ':', 1)), 'nowhere'))
		FROM information_schema.processlist WHERE user = '$1';" | sql
}

# host_of prints from where the user $1 may log in: the other one may from there, too.
host_of() {
	hosts=$(echo "SELECT host FROM mysql.user WHERE user = '$1';" | sql)
	case $hosts in
	'') die "the database has no user $1, which the Secret $secret names" ;;
	*[!A-Za-z0-9.:%_/-]*) die "the database has several users $1: $hosts" ;;
	esac
	echo "$hosts"
}

# granted prints the database as GRANT wants it, where _ and % stand for any characters.
granted() {
	case $database in
	*[!A-Za-z0-9_%.-]* | '') die "the database \"$database\" has a name that this script does not quote; it takes letters, digits, _, %, . and -" ;;
	esac
	printf '%s' "$database" | sed 's/[_%]/\\&/g'
}

# begin gives the idle user a new password and writes user:password to the file $1.
begin() {
	old=$(login)
	old=${old%%:*}
	new=$(other "$old")
	host=$(host_of "$old")
	on=$(granted)
	in_use=$(connections "$new")
	[ "${in_use%% *}" = 0 ] || die "$new has connections ($in_use): the last change is not over; try again in two minutes"
	password=$(new_password)
	rm -f "$1" # a file that is there keeps its mode
	(umask 077 && printf '%s:%s\n' "$new" "$password" >"$1")
	sql <<-SQL
		CREATE USER IF NOT EXISTS '$new'@'$host' IDENTIFIED BY '$password';
		ALTER USER '$new'@'$host' IDENTIFIED BY '$password' ACCOUNT UNLOCK;
		GRANT ALL PRIVILEGES ON \`$on\`.* TO '$new'@'$host';
	SQL
	echo "The user $new has a new password; $old still works."
}

# refuse_managed ends the script if somebody else would write the Secret again.
refuse_managed() {
	owner=$(kube get secret "$secret" -o 'go-template={{range $k, $_ := .metadata.annotations}}{{$k}} {{end}}{{range .metadata.ownerReferences}}{{.kind}} {{end}}')
	case $owner in
	*ExternalSecret* | *SealedSecret* | *last-applied-configuration* | *argocd.argoproj.io/tracking-id*)
		die "the Secret $secret is written by somebody else (External Secrets, kubectl apply or Argo CD), who would undo the change: use begin and finish (docs/operations.md)"
		;;
	esac
}

# write puts the login of the file $1 into the Secret. The key password is what release
# 0.1.0 reads.
write() {
	text=$(cat "$1")
	printf '{"stringData":{"userpassword":"%s","password":"%s"}}' "$text" "${text#*:}" |
		kube patch secret "$secret" --type=merge --patch-file=/dev/stdin >/dev/null
	echo "The Secret $secret has the new password."
}

# until_done runs a command each second until it succeeds. $1 says what is awaited.
until_done() {
	what=$1 end=$(($(date +%s) + patience))
	shift
	echo "Waiting until $what ..."
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || die "waited $patience seconds in vain until $what${seen:+; $seen}. It is safe to run the script again"
		sleep 1
	done
}

secret_is_new() { [ "$(login)" = "$wanted" ]; }

mysql_reads_new() {
	[ -n "${MYSQL_CLIENT-}" ] || [ "$(kube exec mysql-0 -c mysql -- cat /etc/rollcall/mysql/userpassword)" = "$wanted" ]
}

# old_is_idle reports whether the old user has had no connection for some time.
old_is_idle() {
	seen="connections of $old: $(connections "$old")"
	case $seen in
	*': 0 from '*) [ "$(($(date +%s) - busy))" -ge "$quiet" ] ;;
	*) busy=$(date +%s) && false ;;
	esac
}

# killed closes the connections that the old user opened in the last moment. One that has
# gone by itself is an error for KILL.
killed() {
	echo "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE user = '$old';" | sql | sql || true
	seen="connections of $old: $(connections "$old")"
	case $seen in *': 0 from '*) ;; *) false ;; esac
}

# finish waits until the login of the file $1 is used everywhere, and locks the other user.
finish() {
	wanted=$(cat "$1")
	new=${wanted%%:*}
	old=$(other "$new")
	seen=
	until_done "the Secret $secret has the new password" secret_is_new
	until_done "the pod of MySQL has it" mysql_reads_new
	busy=$(date +%s)
	until_done "no program uses $old (Kubernetes needs a minute or two to pass a Secret on)" old_is_idle
	host=$(host_of "$old")
	# Another password as well: unlocking the user must not make the old one valid again.
	echo "ALTER USER '$old'@'$host' IDENTIFIED BY '$(new_password)' ACCOUNT LOCK;" | sql
	until_done "its last connections are closed" killed
	echo "Done: the programs log in as $new, and $old is locked."
}

case ${1-} in
begin | finish)
	[ $# = 2 ] || die "usage: rotate.sh $1 FILE"
	"$1" "$2"
	;;
'')
	refuse_managed
	file=$(mktemp)
	trap 'rm -f "$file"' EXIT
	trap 'exit 1' HUP INT TERM
	begin "$file"
	write "$file"
	finish "$file"
	;;
*) die "usage: rotate.sh [begin FILE | finish FILE]" ;;
esac
