#!/usr/bin/env bash
# exceptions.sh FILE [TODAY]: prints grype's settings, with the exceptions of FILE that
# count on that day (.github/vulnerability-exceptions says how its lines look). It fails
# at a line that is no exception, or lasts longer than 90 days.
set -euo pipefail

file=${1:?usage: exceptions.sh FILE [TODAY]}
today=${2:-$(date -u +%F)}
most=90

die() {
	echo "exceptions: $file: $*" >&2
	exit 1
}

# seconds DAY: prints a day as seconds since 1970.
seconds() { date -u -d "$1" +%s 2>/dev/null || die "$1 is no day"; }

# Without a fix there is nothing that a build could do, so it does not fail.
cat <<'END'
only-fixed: true
fail-on-severity: high
END
rules=
while read -r id since until who why; do
	case $id in "" | "#"*) continue ;; esac
	[ -n "$why" ] || die "$id: want ID SINCE UNTIL WHO WHY"
	[[ $id =~ ^(CVE|GHSA|GO)-[A-Za-z0-9-]+$ ]] || die "$id is not the id of a hole"
	first=$(seconds "$since")
	last=$(seconds "$until")
	[ $(((last - first) / 86400)) -le $most ] || die "$id lasts longer than $most days"
	if [[ $until < $today ]]; then
		echo "exceptions: $id, decided by $who, ended on $until" >&2
		continue
	fi
	rules+="- vulnerability: $id"$'\n'
done <"$file"
[ -z "$rules" ] || printf 'ignore:\n%s' "$rules"
