#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh: put pam-accesscontrol on this computer, and let it guard the logins
#
# Whoever is locked out half-way cannot mend it, so the order is all: first what the plugin needs, then a proof that it
# decides, then the plugin and its rules, and only then, one whole file after the other, the services. It may be killed
# anywhere in between: logins work, and the next run of install.sh or uninstall.sh clears away what lies about.

set -eu
umask 022
export LC_ALL=C # a PAM file is bytes
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin

usage() {
    cat <<'END'
usage: ./install.sh

Installs pam-accesscontrol, and guards those of sshd, login and the display
managers that have a PAM file on this computer. Asks nothing, keeps a rule file
that is there, and changes nothing when run twice. Brings pam_python, PyQt5 and
Qt for Wayland if they are missing. ./uninstall.sh takes it all back.

Status: 0 installed, 1 something is not as it should be, 2 usage.
END
}

here=$(cd "$(dirname "$0")" && pwd)
pam_folder=/etc/pam.d
vendor_folders='/usr/lib/pam.d /usr/etc/pam.d' # where libpam looks for what is not in /etc/pam.d
rule_file=/etc/pam-accesscontrol/pam-accesscontrol.conf
command=/usr/sbin/pam-accesscontrol
mark='# pam-accesscontrol'          # ends each of our lines; libpam reads up to the #
temporary=.pam-accesscontrol.XXXXXX # in the folder of what it will replace; no service has such a name

# What SSH, TTY and XDM mean in the rules. One that others include stands before them; no greeter is among them.
services='sshd login remote gdm gdm-password gdm-fingerprint gdm-smartcard gdm-autologin sddm sddm-autologin
    lightdm lightdm-autologin xdm kdm kdm-np lxdm slim wdm greetd ly plasmalogin plasmalogin-autologin'
# What update-alternatives may make gdm-smartcard a link to, any day.
smartcards='gdm-smartcard-pkcs11-exclusive gdm-smartcard-sssd-exclusive gdm-smartcard-sssd-or-password'

folder='' module='' # where the plugin goes, once we know
guarded=''          # those of the services that are
incomplete=''       # yes, when one of them is here and cannot be guarded

say() { printf 'install.sh: %s\n' "$*"; }

complain() { say "$*" >&2; }

fail() {
    complain "$*"
    exit 1
}

misused() {
    complain "$*"
    exit 2
}

# ---- What the plugin needs -------------------------------------------------------------------------------------------

package_manager() {
    for manager in apt-get zypper dnf pacman; do
        ! command -v "$manager" >/dev/null || printf '%s\n' "$manager"
    done | head -n 1
}

package_with() { # python, pam_python, qt or wayland: what the distribution calls it, if it has it
    case $(package_manager):$1 in
    pacman:python) echo python ;;
    *:python) echo python3 ;;
    apt-get:pam_python) echo libpam-python ;;
    zypper:pam_python) echo pam-python ;;
    apt-get:qt) echo python3-pyqt5 ;;
    zypper:qt | dnf:qt) echo python3-qt5 ;;
    pacman:qt) echo python-pyqt5 ;;
    apt-get:wayland) echo qtwayland5 ;;
    zypper:wayland) echo libqt5-qtwayland ;;
    dnf:wayland) echo qt5-qtwayland ;;
    pacman:wayland) echo qt5-wayland ;;
    esac
}

bring() { # python, pam_python, qt or wayland
    package=$(package_with "$1")
    [ -n "$package" ] || return 1
    say "installing $package"
    case $(package_manager) in
    apt-get) apt_get_install "$package" ;;
    zypper) zypper --non-interactive --quiet install "$package" ;;
    dnf) dnf --assumeyes --quiet install "$package" ;;
    pacman) pacman --sync --noconfirm --needed "$package" ;;
    *) return 1 ;;
    esac </dev/null >/dev/null 9>&-
}

apt_get_install() { # by the lists that are here; where these are missing or too old, by new ones
    # Again, where the package is there and what we miss of it is not.
    set -- env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends --reinstall \
        -o DPkg::Lock::Timeout=60 install "$1"
    "$@" 2>/dev/null || { apt-get -qq update && "$@"; }
}

has_python() { /usr/bin/python3 -I -c '' 2>/dev/null; }

has_qt() {
    /usr/bin/python3 -I -c 'from importlib.util import find_spec as f; exit(not f("PyQt5.QtWidgets"))' 2>/dev/null
}

has_qt_for_wayland() {
    /usr/bin/python3 -I -c 'from glob import glob; from PyQt5.QtCore import QLibraryInfo as i
exit(not glob(i.location(i.PluginsPath) + "/platforms/libqwayland*"))' 2>/dev/null
}

find_pam_python() {
    for found in /lib/*/security/pam_python.so /usr/lib/*/security/pam_python.so \
        /lib64/security/pam_python.so /usr/lib64/security/pam_python.so \
        /lib/security/pam_python.so /usr/lib/security/pam_python.so; do
        [ ! -e "$found" ] || printf '%s\n' "$found"
    done | head -n 1
}

where_it_looks_for_modules() { # it has that compiled in
    folder=$(grep -ao '/[[:alnum:]/_.-]*/security/' "$1" | head -n 1) || true
    folder=${folder:-/lib/security/}
    printf '%s\n' "${folder%/}"
}

bring_what_is_missing() {
    has_python || bring python || true
    has_python || fail "there is no /usr/bin/python3, and it cannot be installed"
    [ -n "$(find_pam_python)" ] || bring pam_python || true
    [ -n "$(find_pam_python)" ] || fail "there is no pam_python.so, and no package of this distribution brings it"
    has_qt || bring qt || true
    has_qt || complain "PyQt5 cannot be installed: ASK will refuse until it is there"
    ! has_qt || has_qt_for_wayland || bring wayland || true
    ! has_qt || has_qt_for_wayland ||
        complain "Qt for Wayland cannot be installed: on a Wayland desktop, ASK needs Xwayland until it is there"
}

# ---- The proof -------------------------------------------------------------------------------------------------------

our_line() { # TYPE MODULE [ARGUMENT]
    control=requisite
    [ "$1" != auth ] || control=required # or the time it takes would tell a right password from a wrong one
    printf '%-10s %-12s pam_python.so %s %s\n' "$1" "$control" "$2${3:+ $3}" "$mark"
}

draft_of() { # FILE PLACE MODE: a copy of root's, beside the place that it will take
    draft=$(mktemp "${2%/*}/$temporary")
    cp "$1" "$draft"
    chown 0:0 "$draft"
    chmod "$3" "$draft"
    sync "$draft"
}

stage_the_module() { # where it will be used, so that this is what the proof is about
    mkdir -p "$folder"
    draft_of "$here/accesscontrol.py" "$module" 755
    stage=$draft
}

# As real as a login gets, with nothing in /etc/pam.d: su, for which a folder of ours lies over it.
su_with() { # RULES TYPE...: whether su gets past the plugin, where it stands in the stacks of these types
    rules=$1
    shift
    for type in auth account session; do
        case " $* " in *" $type "*) our_line "$type" "$stage" "conf=$scratch/$rules" ;; esac
        printf '%s required pam_permit.so\n' "$type"
    done >"$scratch/pam.d/su"
    # shellcheck disable=SC2016 # the inner shell is to see $1
    unshare --mount sh -c 'mount --bind "$1" /etc/pam.d && exec su -s /bin/sh root -c :' sh "$scratch/pam.d" \
        </dev/null >"$scratch/said" 2>&1
}

not_proven() {
    said=$(tail -n 1 "$scratch/said" | tr -cd '[:print:]')
    fail "no service was changed, because of the proof before that: $*${said:+ ($said)}"
}

prove_that_the_plugin_decides() {
    mkdir "$scratch/pam.d"
    printf '%s required pam_deny.so\n' auth account session >"$scratch/pam.d/other"
    printf '%s\n' DEFAULT:CLOSE 'ALL OPEN USER ALL' >"$scratch/proof-open.conf"
    printf '%s\n' DEFAULT:OPEN 'ALL CLOSE USER ALL' >"$scratch/proof-close.conf"
    su_with proof-open.conf || not_proven "su does not work in a mount namespace here"
    su_with proof-open.conf auth account session || not_proven "the plugin refuses what is open; see the system's log"
    for phase in auth account session; do
        ! su_with proof-close.conf "$phase" || not_proven "the plugin lets through, in $phase, what is closed"
    done
}

# ---- The plugin, its rules and its command ---------------------------------------------------------------------------

put_the_module_in() {
    if cmp -s "$stage" "$module" && [ -n "$(find "$module" -prune -type f -user 0 -group 0 -perm 755)" ]; then
        rm -f "$stage"
    else
        mv -f "$stage" "$module"
    fi
}

put_the_rules_in() { # where there are none: a missing file closes everything
    [ ! -e "$rule_file" ] && [ ! -L "$rule_file" ] || return 0
    mkdir -p "${rule_file%/*}"
    draft_of "$here/pam-accesscontrol.conf" "$rule_file" 644
    mv -f "$draft" "$rule_file"
}

put_the_command_in() {
    [ "$(readlink "$command")" != "$module" ] || return 0
    if [ -e "$command" ] && [ ! -L "$command" ]; then
        complain "$command is somebody else's, and stays; ours is $module"
    else
        ln -sfn "$module" "$command"
    fi
}

# ---- The services ----------------------------------------------------------------------------------------------------

ends_in_a_newline() { [ -z "$(tail -c 1 "$1")" ]; } # which a command substitution takes away

# Both ways, every other line keeps its bytes, and a last line that has no newline has none afterwards.
without_our_lines() { # FILE
    awk -v newline="$(ends_in_a_newline "$1" && echo yes)" '
        /# pam-accesscontrol[ \t\r]*$/ { next }
        { printf "%s%s", separator, $0; separator = "\n"; some = 1 }
        END { if (newline && some) printf "\n" }' "$1"
}

# Our auth line stands behind the last statement that brings auth, the two others before the first of their type. A type
# that the service lacks it has from "other", and no longer if it gets a line: so that one is included. Where a guarded
# service is included, our line comes with it.
with_our_lines() { # FILE [FIRST-LINE]
    awk -v newline="$(ends_in_a_newline "$1" && echo yes)" -v head="${2-}" -v mark="$mark" -v folder="$pam_folder" \
        -v guarded=" $guarded " -v auth="$(our_line auth "$module")" \
        -v account="$(our_line account "$module")" -v session="$(our_line session "$module")" '

        # Whether a line completes a statement, which is then in said[depth], up to a # and joined at a backslash. The
        # versions of libpam differ on whether a blank line ends a joined one; we wait for where all of them agree.
        function completes(line, depth) {
            if (!joined[depth]) said[depth] = ""
            else if (line ~ /^[ \t]*(#.*)?$/) return 0
            joined[depth] = line !~ /#/ && sub(/\\[ \t]*$/, " ", line)
            sub(/#.*/, "", line)
            said[depth] = said[depth] line
            return !joined[depth]
        }

        # The types that a statement brings, such as "auth " or, for an @include, "auth auth session ".
        function types(depth,    word, type, path, line, found) {
            split(said[depth], word)
            type = tolower(word[1])
            sub(/^-/, "", type)
            if (type != "@include" || depth > 20) return type " "
            path = word[2] ~ /^\// ? word[2] : folder "/" word[2]
            joined[depth + 1] = 0
            while ((getline line < path) > 0) if (completes(line, depth + 1)) found = found types(depth + 1)
            close(path)
            return found
        }

        function includes_a_guarded_one(statement,    word) {
            split(statement, word)
            if (tolower(word[1]) == "@include") return index(guarded, " " word[2] " ")
            return tolower(word[2]) ~ /^(include|substack)$/ && index(guarded, " " word[3] " ")
        }

        function put(line) { printf "%s%s", separator, line; separator = "\n" }
        function put_ours(type) { if (!(type in from_there)) put(ours[type]) }
        function put_other(type) { put(type " include other " mark) }

        BEGIN {
            ours["auth"] = auth; ours["account"] = account; ours["session"] = session
            if (head) put(head)
        }
        { row[NR] = $0 }
        !joined[0] { start = NR }
        completes($0, 0) {
            brought = " " types(0)
            for (type in ours) if (index(brought, " " type " ")) {
                if ((type == "auth" || !(type in first)) && includes_a_guarded_one(said[0])) from_there[type]
                if (!(type in first)) first[type] = start
                last[type] = NR
            }
        }
        END {
            if (joined[0]) exit 1
            for (i = 1; i <= NR; i++) {
                if (i == first["account"]) put_ours("account")
                if (i == first["session"]) put_ours("session")
                put(row[i])
                if (i == last["auth"]) put_ours("auth")
            }
            if (!last["auth"]) { put_other("auth"); put_ours("auth") }
            if (!last["account"]) { put_ours("account"); put_other("account") }
            if (!last["session"]) { put_ours("session"); put_other("session") }
            if (newline) printf "\n"
        }' "$1"
}

draft_with_our_lines() { # FILE FIRST-LINE: whether that can be done, and undone without a trace
    without_our_lines "$1" >"$scratch/without" &&
        with_our_lines "$scratch/without" "$2" >"$scratch/with" &&
        without_our_lines "$scratch/with" | cmp -s - "$scratch/without" &&
        { grep -qaF "$mark" "$1" || cmp -s "$1" "$scratch/without"; }
}

vendor_file() { # SERVICE
    for vendor in $vendor_folders; do
        [ ! -f "$vendor/$1" ] || printf '%s\n' "$vendor/$1"
    done | head -n 1
}

replace() { # FILE CONTENT WHOSE-OWNER-AND-MODE
    draft=$(mktemp "$pam_folder/$temporary") &&
        cp -aL "$3" "$draft" &&
        cat "$2" >"$draft" &&
        sync "$draft" &&
        mv -f "$draft" "$1"
}

unguarded() { # SERVICE WHY
    complain "$1 is NOT guarded: $2"
    incomplete=yes
}

guard() { # SERVICE
    file=$pam_folder/$1 origin='' first=''
    if [ -L "$file" ]; then
        file=$(readlink -f "$file") || true
        [ "${file%/*}" = "$(readlink -f "$pam_folder")" ] || {
            unguarded "$1" "$pam_folder/$1 is a link to ${file:-nowhere}"
            return 0
        }
    elif [ ! -e "$file" ]; then
        origin=$(vendor_file "$1")
        [ -n "$origin" ] || return 0
        first="# copied from $origin $mark"
    fi
    origin=${origin:-$file}
    [ -f "$origin" ] || {
        unguarded "$1" "$origin is not a file"
        return 0
    }
    [ -n "$first" ] || first=$(grep -am 1 "^# copied from /.* $mark\$" "$file") || true
    draft_with_our_lines "$origin" "$first" || {
        unguarded "$1" "$origin is not text, or ends in the middle of a line"
        return 0
    }
    cmp -s "$scratch/with" "$file" || replace "$file" "$scratch/with" "$origin" || {
        unguarded "$1" "$file cannot be written"
        return 0
    }
    guarded="$guarded $1"
}

guard_the_services() {
    for service in $services $smartcards; do guard "$service"; done
    guarded=${guarded# }
    [ -n "$guarded" ] || fail "no service of this computer could be guarded"
}

# ---- What to know afterwards -----------------------------------------------------------------------------------------

in_lines() { fold -s -w 78 | sed 's/ *$//; 2,$s/^/  /'; }

tell_what_obeys_too() { # a screen locker, say, that includes login
    one_of_them=$(printf %s "$guarded" | tr ' ' '|')
    includes='^[[:blank:]]*(@include|-?(auth|account|session)[[:blank:]]+(include|substack))[[:blank:]]+'
    # shellcheck disable=SC2086 # two folders
    includers=$(grep -rliE "$includes($one_of_them)([[:blank:]]|\$)" "$pam_folder" $vendor_folders 2>/dev/null |
        sed 's,.*/,,' | sort -u | grep -vxE "$one_of_them|.+-greeter|gdm-launch-environment" | tr '\n' ' ') || true
    [ -z "$includers" ] || printf '%s\n' "They include one of these, so they obey the rules, too: $includers" | in_lines
}

tell_of_lines_that_are_not_ours() {
    grep -rnaE '^[^#]*accesscontrol\.py' "$pam_folder" | grep -v "$mark" | cut -d : -f 1,2 |
        while read -r line; do complain "$line calls accesscontrol.py, too, and is not ours"; done
}

tell_what_comes_next() {
    printf '%s\n' "pam-accesscontrol guards: $guarded" | in_lines
    tell_what_obeys_too
    tell_of_lines_that_are_not_ours
    case " $guarded " in *' sshd '*)
        ! sshd -T 2>/dev/null | grep -qix 'usepam no' || complain "sshd does not ask PAM: set UsePAM yes in sshd_config"
        ;;
    esac
    cat <<END
The rules: $rule_file
Next: edit them, run pam-accesscontrol check, and keep a root shell open until
you have logged in anew. The way out, from that shell: ./uninstall.sh
END
}

# ---- All of it -------------------------------------------------------------------------------------------------------

be_the_only_one() { # until the kernel sees us end
    exec 9<"$pam_folder"
    ! command -v flock >/dev/null || flock -n 9 || fail "another install.sh or uninstall.sh is at work"
}

clear_away() { # what is ours and temporary, also of a run that was killed
    trap '' INT TERM HUP
    rm -rf /run/pam-accesscontrol-install.*
    rm -f "$pam_folder"/.pam-accesscontrol.* "${rule_file%/*}"/.pam-accesscontrol.*
    [ -n "$folder" ] || return 0
    rm -f "$folder"/.pam-accesscontrol.*
    [ -e "$module" ] || rmdir "$folder" 2>/dev/null || true
}

case ${1-} in
--help | -h) usage && exit ;;
esac
[ $# -eq 0 ] || misused "no such argument: $1 (see --help)"
[ "$(id -u)" -eq 0 ] || misused "must be run as root"
for file in accesscontrol.py pam-accesscontrol.conf; do
    [ -f "$here/$file" ] || fail "there is no $file beside install.sh"
done
[ -d "$pam_folder" ] || fail "there is no $pam_folder"

be_the_only_one
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap clear_away EXIT

bring_what_is_missing
folder=$(where_it_looks_for_modules "$(find_pam_python)")
module=$folder/accesscontrol.py
scratch=$(mktemp -d /run/pam-accesscontrol-install.XXXXXX)
stage_the_module
prove_that_the_plugin_decides
put_the_rules_in
put_the_module_in
put_the_command_in
guard_the_services
tell_what_comes_next
[ -z "$incomplete" ]
