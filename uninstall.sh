#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# uninstall.sh: remove pam-accesscontrol from this computer
#
# This is also the way out for whoever is locked out, from a root shell: it needs neither Python nor pam_python nor the
# plugin. The lines in /etc/pam.d go first, since a line without its plugin refuses everybody; then the loader, and then
# the module that it imports.

set -eu
umask 022
export LC_ALL=C # a PAM file is bytes
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin

usage() {
    cat <<'END'
usage: uninstall.sh [--purge]

Takes the lines of pam-accesscontrol out of every file in /etc/pam.d, which
gives each back as it was, and removes the plugin. Packages that install.sh
installed stay, and so do the rules and the logs.

  --purge  remove the rules and the logs, too

Status: 0 it is gone, 1 something is not as it should be, 2 usage.
END
}

pam_folder=/etc/pam.d
rule_folder=/etc/pam-accesscontrol
library=/usr/lib/pam-accesscontrol
share=/usr/share/pam-accesscontrol
shared='accesscontrol.py pam-accesscontrol.conf README.md install.sh uninstall.sh' # the way out last
documents=/usr/share/doc/pam-accesscontrol
manual=/usr/share/man
completions=/usr/share/bash-completion/completions
apt_hook=/etc/apt/apt.conf.d/80pam-accesscontrol
commands='/usr/bin/pam-accesscontrol /usr/sbin/pam-accesscontrol'
state=/run/pam-accesscontrol
lock=/run/pam-accesscontrol.lock
mark='# pam-accesscontrol'
temporary=.pam-accesscontrol.XXXXXX # as in install.sh
incomplete=''                       # yes, when one of our lines cannot be taken out

in_lines() { # of at most 80 columns, where no word is longer: as in install.sh
    awk '{
        line = $1
        for (i = 2; i <= NF; i++) {
            if (length(line " " $i) > 80) { print line; line = " " }
            line = line " " $i
        }
        print line
    }'
}

say() { printf 'uninstall.sh: %s\n' "$*" | in_lines; }

complain() { say "$*" >&2; }

fail() {
    complain "$*"
    exit 1
}

misused() {
    complain "$*"
    exit 2
}

# ---- The services ----------------------------------------------------------------------------------------------------

ends_in_a_newline() { [ -z "$(tail -c 1 "$1")" ]; } # which a command substitution takes away

without_our_lines() { # FILE: as in install.sh
    awk -v newline="$(ends_in_a_newline "$1" && echo yes)" '
        /# pam-accesscontrol[ \t\r]*$/ { next }
        { printf "%s%s", separator, $0; separator = "\n"; some = 1 }
        END { if (newline && some) printf "\n" }' "$1"
}

replace_by_what_is_not_ours() { # FILE
    draft=$(mktemp "${1%/*}/$temporary") &&
        cp -a "$1" "$draft" &&
        without_our_lines "$1" >"$draft" &&
        sync "$draft" &&
        give_back "$1" "$draft"
}

give_back() { # FILE DRAFT: what install.sh copied from a vendor is not needed any more, if it is still the same
    vendor=$(sed -n "1s,^# copied from \\(/.*\\) $mark\$,\\1,p" "$1")
    if [ -n "$vendor" ] && cmp -s "$vendor" "$2"; then
        rm -f "$1" "$2"
    else
        mv -f "$2" "$1"
    fi
}

take_our_lines_out() {
    for file in "$pam_folder"/*; do
        grep -qs "${mark}[[:space:]]*\$" "$file" || continue
        replace_by_what_is_not_ours "$(readlink -f "$file")" || {
            complain "$file cannot be written"
            incomplete=yes
        }
    done
}

keep_the_plugin_if_it_is_called() {
    callers=$(grep -anHEs '^[^#]*pam_(python|exec)[^#]*accesscontrol\.py' "$pam_folder"/* | cut -d : -f 1,2) || true
    for line in $callers; do complain "$line still calls the plugin: take it out, and run uninstall.sh again"; done
    [ -z "$callers$incomplete" ] || fail "the plugin stays, since without it such a line refuses everybody"
}

# ---- The plugin ------------------------------------------------------------------------------------------------------

folders_of_modules() { # where the command leads, if it is still there, and wherever else the loader may be
    printf '%s\n' /lib/security /lib/*/security /lib64/security
    printf '%s\n' /usr/lib/security /usr/lib/*/security /usr/lib64/security
    for command in $commands; do [ ! -L "$command" ] || dirname "$(readlink "$command")"; done
}

remove_the_plugin() {
    for folder in $(folders_of_modules); do
        [ -d "$folder" ] || continue
        rm -f "$folder/accesscontrol.py" "$folder"/.pam-accesscontrol.*
        rmdir "$folder" 2>/dev/null || true # where install.sh had to make it
    done
    rm -f "$library/accesscontrol.py"
    rm -rf "$library/__pycache__" "$library"/.pam-accesscontrol.*
    remove_the_folder "$library"
    for command in $commands; do [ ! -L "$command" ] || rm -f "$command"; done
    rm -rf "$state"
    rm -f "$rule_folder/services"
}

remove_what_went_with_it() {
    rm -f "$manual/man8/pam-accesscontrol.8" "$manual/man5/pam-accesscontrol.conf.5" "$completions/pam-accesscontrol"
    for folder in "$manual/man8" "$manual/man5" "$manual" "$completions" "${completions%/*}"; do
        rmdir "$folder" 2>/dev/null || true # where install.sh had to make it
    done
    rm -f "$documents/README.md" "$documents/pam-accesscontrol.conf"
    remove_the_folder "$documents"
    for file in $shared; do rm -f "$share/$file"; done
    remove_the_folder "$share"
}

remove_the_folder() { # FOLDER
    [ ! -d "$1" ] || rmdir "$1" 2>/dev/null || complain "$1 stays: there is something else in it"
}

remove_rules_and_logs() {
    rm -rf "$rule_folder"
    rm -f /var/log/pam-accesscontrol-[0-9][0-9][0-9][0-9]-[0-9][0-9].log*
}

tell_what_stays() {
    if [ -n "$purge" ]; then
        say "pam-accesscontrol is gone, with its rules and logs"
    else
        say "pam-accesscontrol is gone; its rules and logs stay (--purge removes them)"
    fi
    tell_of_packages
}

tell_of_packages() { # those of install.sh's that are installed
    for manager in apt-get zypper dnf pacman; do ! command -v "$manager" >/dev/null || break; done
    remove="$manager remove"
    case $manager in
    apt-get)
        packages=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' libpam-python python3-pyqt5 qtwayland5 |
            sed -n 's/^.i *//p')
        ;;
    zypper) packages=$(rpm -q --qf '%{NAME}\n' pam-python python3-qt5 libqt5-qtwayland | grep -v ' ') ;;
    dnf) packages=$(rpm -q --qf '%{NAME}\n' python3-qt5 qt5-qtwayland | grep -v ' ') ;;
    pacman) remove='pacman --remove' packages=$(pacman -Qq python-pyqt5 qt5-wayland) ;;
    esac 2>/dev/null || true
    [ -n "$packages" ] || return 0
    say "packages that install.sh may have brought stay; to remove them:"
    printf '    %s' "$remove"
    # shellcheck disable=SC2086 # one word for each package
    printf ' %s' $packages
    echo
}

# ---- All of it -------------------------------------------------------------------------------------------------------

be_the_only_one() { # until the kernel sees us end
    ! command -v flock >/dev/null || [ ! -w "${lock%/*}" ] || until has_the_lock; do :; done
}

has_the_lock() { # that others will find: who has it removes it at the end
    umask 077
    exec 9<>"$lock"
    umask 022
    flock -w 5 9 || {
        exec 9>&-
        fail "another install.sh or uninstall.sh is at work; if it hangs, this ends it: kill -KILL$(who_has_it_open)"
    }
    locked=$(stat -L -c %i /proc/self/fd/9 2>/dev/null) || return 0
    [ "$locked" = "$(stat -c %i "$lock" 2>/dev/null)" ]
}

who_has_it_open() { # a script, and what it has started
    for place in /proc/[0-9]*/fd/9; do
        [ "$(readlink "$place")" != "$lock" ] || printf '%s\n' "$place"
    done 2>/dev/null | cut -d / -f 3 | sed 's/^/ /' | tr -d '\n'
}

clear_away() { # what is ours and temporary, also of a run that was killed
    rm -rf /run/pam-accesscontrol-install.* "$library"/.pam-accesscontrol.*
    for folder in "$pam_folder" "$rule_folder" "$share" "$manual"/man[58] "$completions" "${apt_hook%/*}"; do
        rm -f "$folder"/.pam-accesscontrol.*
    done
}

end() {
    trap '' INT TERM HUP
    clear_away
    rm -f "$lock"
}

purge=''
case ${1-} in
--help | -h) usage && exit ;;
--purge)
    purge=yes
    shift
    ;;
esac
[ $# -eq 0 ] || misused "no such argument: $1 (see --help)"
[ "$(id -u)" -eq 0 ] || misused "must be run as root"
[ -d "$pam_folder" ] || fail "there is no $pam_folder"

be_the_only_one
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap end EXIT
rm -f "$apt_hook"
clear_away

{ # sh has read all of this before it removes the script itself
    take_our_lines_out
    keep_the_plugin_if_it_is_called
    remove_the_plugin
    [ -z "$purge" ] || remove_rules_and_logs
    remove_what_went_with_it
    tell_what_stays
}
