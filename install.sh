#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh: install pam-accesscontrol, and let it guard the logins
#
# The order matters: first what the plugin needs, then a proof that it decides, then the rules, the module, its compiled
# form, the loader and the command, and only then, one whole file after the other, the services. It may be killed
# anywhere in between: logins work, and the next run of install.sh or uninstall.sh removes what was left over.

set -eu
umask 022
export LC_ALL=C # a PAM file is bytes
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin

usage() {
    cat <<'END'
usage: ./install.sh [SERVICE...]

Installs pam-accesscontrol, and guards those of sshd, login and the display
managers that have a PAM file on this computer, and besides them each SERVICE
that is named, with its -l and -i form. What is guarded stays guarded in a later
run that does not name it. Asks nothing, keeps a rule file that is there, and
changes nothing when run twice. Installs pam_python, PyQt5 and Qt for Wayland if
they are missing. ./uninstall.sh undoes all of it.

Example: ./install.sh su sudo vsftpd

Status: 0 installed, 1 something is not as it should be, 2 usage.
END
}

here=$(cd "$(dirname "$0")" && pwd)
pam_folder=/etc/pam.d
vendor_folders='/usr/lib/pam.d /usr/etc/pam.d' # where libpam looks for what is not in /etc/pam.d
rule_file=/etc/pam-accesscontrol/pam-accesscontrol.conf
library=/usr/lib/pam-accesscontrol
module=$library/accesscontrol.py # its compiled form is in __pycache__
commands='/usr/bin/pam-accesscontrol /usr/sbin/pam-accesscontrol'
state=/run/pam-accesscontrol
lock=/run/pam-accesscontrol.lock    # root's alone: whoever can open a file can lock it
mark='# pam-accesscontrol'          # ends each of our lines; libpam reads up to the #
temporary=.pam-accesscontrol.XXXXXX # in the folder of what it will replace; no service has such a name

# What update-alternatives may make gdm-smartcard a link to.
smartcards='gdm-smartcard-pkcs11-exclusive gdm-smartcard-sssd-exclusive gdm-smartcard-sssd-or-password'
# What is not judged: they ask who somebody is.
greeters='lightdm-greeter sddm-greeter greetd-greeter gdm-launch-environment plasmalogin-greeter'

named=''            # the services that the admin names
folder='' loader='' # what the PAM lines name, and its folder, once we know
services=''         # what is to be guarded, in order
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
        ! command -v "$manager" >/dev/null || { printf '%s\n' "$manager" && return; }
    done
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
        [ ! -e "$found" ] || { printf '%s\n' "$found" && return; }
    done
}

where_it_looks_for_modules() { # it has that compiled in
    found=$(grep -ao '/[[:alnum:]/_.-]*/security/' "$1" | head -n 1) || true
    found=${found:-/lib/security/}
    must_be_roots_alone "${found%/}"
    printf '%s\n' "${found%/}"
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

must_be_roots_alone() { # FOLDER, if it is there: whoever can write to it decides who logs in
    [ -e "$1" ] || [ -L "$1" ] || return 0
    [ -n "$(find "$1" -prune -type d -user 0 ! -perm -020 ! -perm -002)" ] ||
        fail "$1 is not a folder that only root can write to; nothing was changed"
}

print_the_loader() { # FOLDER of the module
    cat <<END
#!/usr/bin/python3 -I
# SPDX-License-Identifier: GPL-3.0-or-later
"""pam-accesscontrol, as the PAM lines and the command name it: imports the module from $library.

pam_python compiles this file at every login, and Python keeps what it has compiled of a module that is imported.
Written by install.sh.
"""

import sys

FOLDER = "$1"

if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
try:
    import accesscontrol
except Exception:  # the compiled file is damaged; from the source alone it takes longer
    kept = sys.pycache_prefix, sys.dont_write_bytecode
    sys.pycache_prefix, sys.dont_write_bytecode = "/dev/null", True
    try:
        import accesscontrol
    finally:
        sys.pycache_prefix, sys.dont_write_bytecode = kept
    if __name__ == "__main__":
        import contextlib
        import py_compile

        with contextlib.suppress(OSError):  # of whoever is not root
            py_compile.compile(accesscontrol.__file__, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)

from accesscontrol import (  # noqa: F401
    main,
    pam_sm_acct_mgmt,
    pam_sm_authenticate,
    pam_sm_close_session,
    pam_sm_open_session,
    pam_sm_setcred,
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
END
}

stage_the_module() { # with its compiled form and a loader for it, beside the places that they will take
    mkdir -p "$library" "$folder"
    stage=$(mktemp -d "$library/$temporary")
    mkdir "$stage/loader"
    cp "$here/accesscontrol.py" "$stage"
    ! cmp -s "$stage/accesscontrol.py" "$module" || touch -r "$module" "$stage/accesscontrol.py" # or it differs, compiled
    print_the_loader "$stage" >"$stage/loader/accesscontrol.py"
    compiled=$(/usr/bin/python3 -I -c '
import py_compile, sys
try:
    print(py_compile.compile(sys.argv[1], dfile=sys.argv[2], doraise=True,
                             invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP))
except py_compile.PyCompileError as error:
    sys.exit("install.sh: accesscontrol.py does not compile: " + str(error.exc_value))
' "$stage/accesscontrol.py" "$module") || exit 1
    chown -R 0:0 "$stage"
    chmod 644 "$stage/accesscontrol.py" "$compiled"
    sync "$stage/accesscontrol.py" "$compiled"
}

# A login as real as can be, that changes nothing and leaves nothing in the logs: su, in a mount namespace in which
# folders of ours lie over /etc/pam.d, the logs and the plugin's state, and a socket of ours over /dev/log.
su_with() { # RULES TYPE...: whether su gets past the plugin, where it stands in the stacks of these types
    rules=$1
    shift
    for type in auth account session; do
        case " $* " in *" $type "*) our_line "$type" "$stage/loader/accesscontrol.py" "conf=$scratch/$rules" ;; esac
        printf '%s required pam_permit.so\n' "$type"
    done >"$scratch/pam.d/su"
    rm -f "$scratch/socket"
    unshare --mount /usr/bin/python3 -I -c '
import os, re, select, socket, subprocess, sys

scratch, pam_folder, state = sys.argv[1:]
os.chdir(scratch)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log, open("logged", "w", errors="backslashreplace") as logged:
    log.bind("socket")
    for ours, place in ("pam.d", pam_folder), ("log", "/var/log"), ("state", state), ("socket", "/dev/log"):
        if os.path.exists(place):
            subprocess.run(["mount", "--bind", f"{scratch}/{ours}", place], check=True)
    su = subprocess.Popen(["su", "-s", "/bin/sh", "root", "-c", ":"])
    while True:
        ended = su.poll() is not None
        while select.select([log], [], [], 0 if ended else 0.02)[0]:
            said = re.sub(r"^<\d+>(\w\w\w [ \d]\d \d\d:\d\d:\d\d )?", "", log.recv(65536).decode(errors="replace"))
            if not re.match(r"su[:[]", said):
                print(said.rstrip("\n\0"), file=logged)
        if ended:
            sys.exit(su.returncode != 0)
' "$scratch" "$pam_folder" "$state" </dev/null >"$scratch/said" 2>&1 9>&-
}

not_proven() {
    why=$(tail -qn 1 "$scratch/said" "$scratch/logged" 2>/dev/null | tail -n 1 | tr -cd '[:print:]')
    fail "no service was changed, because of the proof before that: $*${why:+ ($why)}"
}

prove_that_the_plugin_decides() {
    mkdir "$scratch/pam.d" "$scratch/log" "$scratch/state"
    [ -d "$state" ] || mkdir -m 700 "$state" # as the plugin does: what ours lies over
    printf '%s required pam_deny.so\n' auth account session >"$scratch/pam.d/other"
    printf '%s\n' DEFAULT:CLOSE 'ALL OPEN USER ALL' >"$scratch/proof-open.conf"
    printf '%s\n' DEFAULT:OPEN 'ALL CLOSE USER ALL' >"$scratch/proof-close.conf"
    su_with proof-open.conf || not_proven "su does not work in a mount namespace here"
    su_with proof-open.conf auth account session || not_proven "the plugin refuses what is open"
    for phase in auth account session; do
        ! su_with proof-close.conf "$phase" || not_proven "the plugin lets through, in $phase, what is closed"
    done
}

# ---- The plugin, its rules and its command ---------------------------------------------------------------------------

put_the_rules_in() { # where there are none: a missing file closes everything
    [ ! -e "$rule_file" ] && [ ! -L "$rule_file" ] || return 0
    mkdir -p "${rule_file%/*}"
    draft_of "$here/pam-accesscontrol.conf" "$rule_file" 644
    mv -f "$draft" "$rule_file"
}

is_in_place() { # FILE PLACE MODE
    cmp -s "$1" "$2" && [ -n "$(find "$2" -prune -type f -user 0 -group 0 -perm "$3")" ]
}

# Each file by a rename, so that it is whole; and in this order, so that each finds what it needs. A compiled form that
# is not that of the source is not used.
put_the_module_in() {
    is_in_place "$stage/accesscontrol.py" "$module" 644 || mv -f "$stage/accesscontrol.py" "$module"
    cache=$library/__pycache__
    [ -d "$cache" ] || mkdir "$cache"
    for place in "$library" "$cache"; do
        [ -n "$(find "$place" -prune -perm 755)" ] || chmod 755 "$place"
    done
    is_in_place "$compiled" "$cache/${compiled##*/}" 644 || mv -f "$compiled" "$cache"
    find "$cache" -type f ! -name "${compiled##*/}" -exec rm -f {} + # of a Python that is gone
    rm -rf "$stage"
}

put_the_loader_in() {
    print_the_loader "$library" >"$scratch/loader"
    is_in_place "$scratch/loader" "$loader" 755 || {
        draft_of "$scratch/loader" "$loader" 755
        mv -f "$draft" "$loader"
    }
}

put_the_command_in() {
    for command in $commands; do
        if [ -e "$command" ] && [ ! -L "$command" ]; then
            complain "$command is somebody else's, and stays; ours is $loader"
        elif [ "$(readlink "$command")" != "$loader" ]; then
            ln -sfn "$loader" "$command"
        fi
    done
}

# ---- Which services --------------------------------------------------------------------------------------------------

vendor_file() { # SERVICE
    for vendor in $vendor_folders; do
        [ ! -f "$vendor/$1" ] || { printf '%s\n' "$vendor/$1" && return; }
    done
}

has_a_file() { # SERVICE
    [ -e "$pam_folder/$1" ] || [ -L "$pam_folder/$1" ] || [ -n "$(vendor_file "$1")" ]
}

is_no_service() { # NAME of a file in the folder: no program asks PAM for it
    case $1 in
    *[!A-Za-z0-9._@+-]* | other | common-* | system-auth* | system-login | system-local-login | system-remote-login | system-services | \
        password-auth* | postlogin* | *.dpkg-* | *.ucf-* | *.rpm* | *.pac* | *.bak | *.old | *.orig | *.save) ;;
    *) return 1 ;;
    esac
}

take_the_name() { # SERVICE, which the admin names; libpam takes it in lower case
    case $1 in
    -*) misused "no such argument: $1 (see --help)" ;;
    '' | .* | *[!A-Za-z0-9._@+-]*)
        misused "not the name of a PAM service: '$(printf %s "$1" | tr -c '[:print:]' '?')' (see --help)"
        ;;
    esac
    service=$(printf %s "$1" | tr '[:upper:]' '[:lower:]')
    ! is_no_service "$service" || misused "$1 is not a service of its own, so it cannot be guarded (see --help)"
    case " $greeters " in *" $service "*) misused "$1 is a greeter, and no rule is for it (see --help)" ;; esac
    [ -f "$pam_folder/$service" ] || [ -n "$(vendor_file "$service")" ] ||
        misused "there is no PAM service $1: no such file in $pam_folder $vendor_folders"
    named="$named $service"
}

guarded_already() {
    for file in "$pam_folder"/*; do
        [ -f "$file" ] || continue
        is_no_service "${file##*/}" || ! grep -qaE "^(auth|account|session).*${mark}[[:space:]]*\$" "$file" ||
            printf '%s\n' "${file##*/}"
    done
}

included_by() { # SERVICE [TYPE]: the services whose files its file includes, in the stack of that type
    text=$pam_folder/$1
    [ -e "$text" ] || text=$(vendor_file "$1")
    [ ! -f "$text" ] || awk -v type="${2-}" '
        { sub(/#.*/, ""); sub(/^-/, "", $1) }
        tolower($1) == "@include" { print $2 }
        tolower($2) ~ /^(include|substack)$/ && (type == "" || tolower($1) == type) { print $3 }' "$text"
}

put_in_order() { # SERVICE: behind those that it includes
    case " $seen " in *" $1 "*) return 0 ;; esac
    seen="$seen $1"
    for other in $(included_by "$1"); do
        case " $wanted " in *" $other "*) put_in_order "$other" ;; esac
    done
    services="$services $1"
}

choose_the_services() {
    known=$(/usr/bin/python3 -I "$stage/loader/accesscontrol.py" --services | awk '{ print $2 }')
    [ -n "$known" ] || fail "accesscontrol.py does not tell which services it knows; no service was changed"
    wanted='' seen=''
    for service in $known $smartcards $(guarded_already) $named; do
        for one in "$service" "$service-l" "$service-i"; do # what a rule for su is for
            ! has_a_file "$one" || wanted="$wanted $one"
        done
    done
    for service in $wanted; do put_in_order "$service"; done
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

our_line_again() { # TYPE: with the rule file that the admin may have named on it
    conf="s/^$1[[:blank:]].*pam_python\.so[[:blank:]].*[[:blank:]]\(conf=[^[:blank:]#\\]*\).*${mark}[[:space:]]*\$/\1/p"
    our_line "$1" "$loader" "$(sed -n "$conf" "$file" 2>/dev/null | head -n 1)"
}

# Our auth line stands behind the last statement that brings auth, the two others before the first of their type. A type
# that the service lacks it has from "other", and no longer if it gets a line: so that one is included. Where a guarded
# service is included, our line comes with it.
with_our_lines() { # FILE [FIRST-LINE]
    awk -v newline="$(ends_in_a_newline "$1" && echo yes)" -v head="${2-}" -v mark="$mark" -v folder="$pam_folder" \
        -v guarded=" $guarded " -v auth="$(our_line_again auth)" \
        -v account="$(our_line_again account)" -v session="$(our_line_again session)" '

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

is_guarded_by_what_it_includes() { # SERVICE, of a name with -l or -i behind it: by that of the short name
    case $1 in *-l | *-i) ;; *) return 1 ;; esac
    case " $guarded " in *" ${1%-?} "*) ;; *) return 1 ;; esac
    for type in auth account session; do
        included_by "$1" "$type" | grep -qxF "${1%-?}" || return 1
    done
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
    if is_guarded_by_what_it_includes "$1"; then # as Debian's su-l, which includes su
        guarded="$guarded $1"
        [ "$origin" = "$file" ] || return 0
        { [ -z "$first" ] || printf '%s\n' "$first" && cat "$scratch/without"; } >"$scratch/with"
    fi
    cmp -s "$scratch/with" "$file" || replace "$file" "$scratch/with" "$origin" || {
        unguarded "$1" "$file cannot be written"
        return 0
    }
    case " $guarded " in *" $1 "*) ;; *) guarded="$guarded $1" ;; esac
}

guard_the_services() {
    for service in $services; do guard "$service"; done
    guarded=${guarded# }
    [ -n "$guarded" ] || fail "no service of this computer could be guarded"
}

# ---- What to know afterwards -----------------------------------------------------------------------------------------

in_lines() { fold -s -w 78 | sed 's/ *$//; 2,$s/^/  /'; }

what_obeys_too() {
    for service in $(for place in "$pam_folder" $vendor_folders; do ls "$place" 2>/dev/null; done | sort -u); do
        case " $guarded $greeters " in *" $service "*) continue ;; esac
        is_no_service "$service" || for other in $(included_by "$service"); do
            case " $guarded " in *" $other "*) printf ' %s' "$service" && break ;; esac
        done
    done
}

tell_what_obeys_too() {
    includers=$(what_obeys_too)
    [ -z "$includers" ] || in_lines <<END
They include one of these, and obey the rules where they run as root; a screen locker that runs as the person is never\
 judged:$includers
END
}

tell_of_python_programs() { # pam_python within them is a second Python, which it is not made for
    found=$(/usr/bin/python3 -I -c '
from importlib.util import find_spec
print(*(name for name in ("jupyterhub", "pamela", "pam", "PAM", "wsgidav") if find_spec(name)))' 2>/dev/null) || true
    for program in /usr/local/bin/jupyterhub /opt/*/bin/jupyterhub /opt/*/*/bin/jupyterhub /srv/*/bin/jupyterhub; do
        [ ! -e "$program" ] || found="${found:+$found }$program"
    done
    [ -z "$found" ] || complain "a program in Python crashes when it uses a guarded PAM service ($found is here):" \
        "give it a service of its own in $pam_folder that is not guarded"
}

tell_of_lines_that_are_not_ours() {
    grep -rnaE '^[^#]*accesscontrol\.py' "$pam_folder" | grep -v "$mark" | cut -d : -f 1,2 |
        while read -r line; do complain "$line calls accesscontrol.py, too, and is not ours"; done
}

tell_what_comes_next() {
    printf '%s\n' "pam-accesscontrol guards: $guarded" | in_lines
    tell_what_obeys_too
    tell_of_lines_that_are_not_ours
    tell_of_python_programs
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
    trap '' INT TERM HUP
    rm -rf /run/pam-accesscontrol-install.* "$library"/.pam-accesscontrol.*
    rm -f "$pam_folder"/.pam-accesscontrol.* "${rule_file%/*}"/.pam-accesscontrol.*
    rmdir "$library" 2>/dev/null || true # where nothing was put in
    [ -z "$folder" ] || rm -f "$folder"/.pam-accesscontrol.*
    [ -z "$folder" ] || [ -e "$loader" ] || rmdir "$folder" "$state" 2>/dev/null || true
    rm -f "$lock"
}

case ${1-} in
--help | -h) usage && exit ;;
esac
for name; do take_the_name "$name"; done
[ "$(id -u)" -eq 0 ] || misused "must be run as root"
for file in accesscontrol.py pam-accesscontrol.conf; do
    [ -f "$here/$file" ] || fail "there is no $file beside install.sh"
done
[ -d "$pam_folder" ] || fail "there is no $pam_folder"

must_be_roots_alone "$library"
must_be_roots_alone "$library/__pycache__"
be_the_only_one
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap clear_away EXIT

bring_what_is_missing
folder=$(where_it_looks_for_modules "$(find_pam_python)")
loader=$folder/accesscontrol.py
scratch=$(mktemp -d /run/pam-accesscontrol-install.XXXXXX)
stage_the_module
prove_that_the_plugin_decides
choose_the_services
put_the_rules_in
put_the_module_in
put_the_loader_in
put_the_command_in
guard_the_services
tell_what_comes_next
[ -z "$incomplete" ]
