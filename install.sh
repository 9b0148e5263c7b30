#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh: install pam-accesscontrol, and let it guard the logins
#
# The order matters: first what the plugin needs, then a proof that it decides, then the way out, the rules, the module,
# its compiled form, the loader and the command, and only then, one whole file after the other, the services. It may be
# killed anywhere in between: logins work, and the next run of install.sh or uninstall.sh removes what was left over.

set -eu
umask 022
export LC_ALL=C # a PAM file is bytes
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin

usage() {
    cat <<'END'
usage: install.sh [--ask] [SERVICE...]

Installs pam-accesscontrol, and guards those of sshd, login and the display
managers that have a PAM file on this computer, and besides them each SERVICE
that is named, with its -l and -i form. What is guarded is remembered in
/etc/pam-accesscontrol/services, and guarded by each later run. Asks nothing,
keeps a rule file that is there, and changes nothing when run twice. Installs
pam_python if it is missing and, where there is a desktop, PyQt5 and Qt for
Wayland, which ASK needs. Can be run again from /usr/share/pam-accesscontrol.
/usr/share/pam-accesscontrol/uninstall.sh undoes all of it.

  --ask        install PyQt5 and Qt for Wayland without a desktop, too
  --after-apt  say in one line whether logins have lost their guard, or are
               all refused; apt calls this after each run

Example: install.sh su sudo vsftpd

Status: 0 installed, 1 something is not as it should be, 2 usage.
END
}

pam_folder=/etc/pam.d
vendor_folders='/usr/lib/pam.d /usr/etc/pam.d' # where libpam looks for what is not in /etc/pam.d
rule_file=/etc/pam-accesscontrol/pam-accesscontrol.conf
services=/etc/pam-accesscontrol/services
library=/usr/lib/pam-accesscontrol
share=/usr/share/pam-accesscontrol # what is needed when the checkout is gone
shared='uninstall.sh install.sh accesscontrol.py pam-accesscontrol.conf README.md'
documents=/usr/share/doc/pam-accesscontrol
manual=/usr/share/man
completions=/usr/share/bash-completion/completions
apt_hook=/etc/apt/apt.conf.d/80pam-accesscontrol
module=$library/accesscontrol.py # its compiled form is in __pycache__
commands='/usr/bin/pam-accesscontrol /usr/sbin/pam-accesscontrol'
state=/run/pam-accesscontrol
lock=/run/pam-accesscontrol.lock    # root's alone: whoever can open a file can lock it
mark='# pam-accesscontrol'          # ends each of our lines; libpam reads up to the #
temporary=.pam-accesscontrol.XXXXXX # in the folder of what it will replace; no service has such a name

# What is not judged: they ask who somebody is.
greeters='lightdm-greeter sddm-greeter greetd-greeter gdm-launch-environment plasmalogin-greeter'

ask=''              # yes, when ASK is wanted without a desktop
named=''            # the services that the admin names
remembered=''       # those that a run before has guarded
folder='' loader='' # what the PAM lines name, and its folder, once we know
guarded=''          # those of the services that are
own=''              # those of them with lines of ours in their own file
incomplete=''       # yes, when one of them is here and cannot be guarded

in_lines() { # of at most 80 columns, where no word is longer
    awk '{
        line = $1
        for (i = 2; i <= NF; i++) {
            if (length(line " " $i) > 80) { print line; line = " " }
            line = line " " $i
        }
        print line
    }'
}

say() { printf 'install.sh: %s\n' "$*" | in_lines; }

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
    set -- env DEBIAN_FRONTEND=noninteractive PAM_ACCESSCONTROL_IS_AT_WORK=yes apt-get -qq -y \
        --no-install-recommends --reinstall -o DPkg::Lock::Timeout=60 install "$1"
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

has_a_desktop() { # a session to choose, a display manager, X, or a compositor
    for sign in /usr/share/xsessions/*.desktop /usr/share/wayland-sessions/*.desktop /etc/X11/default-display-manager \
        /etc/systemd/system/display-manager.service; do
        [ ! -e "$sign" ] || return 0
    done
    for program in Xorg gnome-shell kwin_wayland sway weston labwc wayfire Hyprland hyprland cage \
        gdm gdm3 sddm lightdm lxdm xdm slim wdm nodm greetd ly emptty plasmalogin; do
        ! command -v "$program" >/dev/null || return 0
    done
    return 1
}

find_pam_module() { # NAME
    for place in /lib/*/security /usr/lib/*/security /lib64/security /usr/lib64/security /lib/security \
        /usr/lib/security; do
        [ ! -e "$place/$1" ] || { printf '%s\n' "$place/$1" && return; }
    done
}

find_pam_python() { find_pam_module pam_python.so; }

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
    if [ -n "$ask" ] || has_a_desktop; then
        bring_what_ask_needs
    elif ! has_qt; then
        say "no desktop: ASK needs $share/install.sh --ask"
    fi
}

bring_what_ask_needs() {
    has_qt || bring qt || true
    has_qt || complain "PyQt5 cannot be installed: ASK will refuse until it is there"
    ! has_qt || has_qt_for_wayland || bring wayland || true
    ! has_qt || has_qt_for_wayland ||
        complain "Qt for Wayland cannot be installed: on a Wayland desktop, ASK needs Xwayland until it is there"
}

# ---- The proof -------------------------------------------------------------------------------------------------------

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
BY_PAM_EXEC = __name__ == "__main__" and sys.argv[1:2] == ["pam"]

if BY_PAM_EXEC:
    sys.excepthook = lambda *error: print(f"Access denied: the plugin does not run: {error[0].__name__}: {error[1]}")
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
    if __name__ == "__main__" and not BY_PAM_EXEC:
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
    print("accesscontrol.py does not compile:", error.exc_value)
    sys.exit(1)
' "$stage/accesscontrol.py" "$module") || fail "${compiled:-accesscontrol.py does not compile}"
    chown -R 0:0 "$stage"
    chmod 644 "$stage/accesscontrol.py" "$compiled"
    sync "$stage/accesscontrol.py" "$compiled"
}

ask_the_plugin() { /usr/bin/python3 -I "$stage/loader/accesscontrol.py" "$@"; }

# A login as real as can be, that changes nothing and leaves nothing in the logs: su, in a mount namespace in which
# folders of ours lie over /etc/pam.d, the logs and the plugin's state, and a socket of ours over /dev/log.
su_with() { # PLACE RULES [WAY TYPE...]: whether su gets past the plugin, called in that way in the stacks of these types
    place=$scratch/$1 rules=$2 way=${3-}
    mkdir -p "$place/pam.d" "$place/log" "$place/state"
    printf '%s required pam_deny.so\n' auth account session >"$place/pam.d/other"
    for type in auth account session; do
        case " $* " in
        *" $type "*) sed -n "/^$way $type /{ s,^$way ,,; s,conf=RULES,conf=$scratch/$rules,; p; }" "$scratch/lines" ;;
        esac
        printf '%s required pam_permit.so\n' "$type"
    done >"$place/pam.d/su"
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
' "$place" "$pam_folder" "$state" </dev/null >"$place/said" 2>&1 9>&-
}

not_proven() { # PLACE WHAT
    why=$(tail -qn 1 "$scratch/$1/said" "$scratch/$1/logged" 2>/dev/null | tail -n 1 | tr -cd '[:print:]')
    fail "no service was changed, because of the proof before that: $2${why:+ ($why)}"
}

prove_that_the_plugin_decides() {
    [ -d "$state" ] || mkdir -m 700 "$state" # as the plugin does: what ours lies over
    printf '%s\n' DEFAULT:CLOSE 'ALL OPEN USER ALL' >"$scratch/proof-open.conf"
    printf '%s\n' DEFAULT:OPEN 'ALL CLOSE USER ALL' >"$scratch/proof-close.conf"
    mkdir "$scratch/lines-of"
    ask_the_plugin --lines "$stage/loader/accesscontrol.py" conf=RULES >"$scratch/lines" 2>"$scratch/lines-of/said" ||
        not_proven lines-of "the plugin cannot be loaded"
    su_with su proof-open.conf || not_proven su "su does not work in a mount namespace here"
    for way in pam_python.so pam_exec.so; do
        su_with "$way" proof-open.conf "$way" auth account session || not_proven "$way" "the plugin refuses by $way what is open"
    done
    jobs='' # all at once, since su takes its time for a refusal
    for way in pam_python.so pam_exec.so; do
        for phase in auth account session; do
            su_with "$way-$phase" proof-close.conf "$way" "$phase" &
            jobs="$jobs $!:$way:$phase"
        done
    done
    for job in $jobs; do
        way=${job#*:} phase=${job##*:}
        ! wait "${job%%:*}" ||
            not_proven "${way%:*}-$phase" "the plugin lets through by ${way%:*}, in $phase, what is closed"
    done
}

# ---- The plugin, its rules, its command, and what goes with them -----------------------------------------------------

is_in_place() { # FILE PLACE MODE
    [ -n "$(find "$2" -prune -type f -user 0 -group 0 -perm "$3" 2>/dev/null)" ] && cmp -s "$1" "$2"
}

put() { # FILE PLACE MODE: by a rename, and only where it differs
    ! is_in_place "$@" || return 0
    mkdir -p "${2%/*}"
    draft_of "$@"
    mv -f "$draft" "$2"
}

put_the_rules_in() { # where there are none: a missing file closes everything
    [ ! -e "$rule_file" ] && [ ! -L "$rule_file" ] || return 0
    put "$here/pam-accesscontrol.conf" "$rule_file" 644
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
    put "$scratch/loader" "$loader" 755
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

put_what_stays_in() { # the way out first
    for file in $shared; do
        case $file in *install.sh) mode=755 ;; *) mode=644 ;; esac
        put "$here/$file" "$share/$file" "$mode"
    done
    mkdir -p "$documents"
    for file in README.md pam-accesscontrol.conf; do
        [ "$(readlink "$documents/$file")" = "$share/$file" ] || ln -sfn "$share/$file" "$documents/$file"
    done
    print_the_help_texts
    print_the_manual_of_the_command >"$scratch/manual"
    put "$scratch/manual" "$manual/man8/pam-accesscontrol.8" 644
    print_the_manual_of_the_rules >"$scratch/manual"
    put "$scratch/manual" "$manual/man5/pam-accesscontrol.conf.5" 644
    print_the_completion >"$scratch/completion"
    put "$scratch/completion" "$completions/pam-accesscontrol" 644
}

print_the_help_texts() { # of all subcommands by one Python; sets their names
    subcommands=$(/usr/bin/python3 -I -c '
import contextlib, sys
stage, scratch = sys.argv[1:]
sys.path.insert(0, stage)
import accesscontrol
names = [row[0] for row in accesscontrol.command_line()]
print(*names)
for name in ["", *names]:
    path = f"{scratch}/help-{name}" if name else f"{scratch}/help"
    with open(path, "w") as text, contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        accesscontrol.parse_arguments([name, "--help"] if name else ["--help"])
' "$stage" "$scratch") || fail "accesscontrol.py does not tell its help; no service was changed"
}

for_roff() { # text that is to be printed as it is
    sed 's/\\/\\e/g; s/-/\\-/g; s/'"'"'/\\(aq/g; s/`/\\(ga/g; s/\^/\\(ha/g; s/~/\\(ti/g; s/^\./\\\&./'
}

print_the_manual_of_the_command() { # each help text under its name, but for what all say of --help
    printf '.TH pam\\-accesscontrol 8\n.SH NAME\npam\\-accesscontrol \\- '
    awk 'BEGIN { RS = "" } NR == 2 { sub(/\.$/, ""); print tolower(substr($0, 1, 1)) substr($0, 2) }' "$scratch/help" |
        for_roff
    for subcommand in '' $subcommands; do
        heading=$(printf %s "${subcommand:-description}" | tr '[:lower:]' '[:upper:]' | for_roff)
        printf '.SH %s\n.nf\n.in 1n\n' "$heading"
        awk 'BEGIN { RS = ""; ORS = "\n\n" }
            { sub(/\n  -h, --help[^\n]*/, "") }
            $0 !~ /^option[a-z ]*:$/' "$scratch/help${subcommand:+-$subcommand}" | for_roff
        printf '.fi\n'
    done
    printf '.SH SEE ALSO\n.BR pam\\-accesscontrol.conf (5),\n%s\n' "$documents/README.md" | sed 's/pam-/pam\\-/'
}

print_the_manual_of_the_rules() { # its comments, and its examples as they are to be written
    printf '.TH pam\\-accesscontrol.conf 5\n.SH NAME\npam\\-accesscontrol.conf \\- '
    sed -n '1s/^.*: //p' "$here/pam-accesscontrol.conf" | for_roff
    printf '.SH DESCRIPTION\n.nf\n.in 3n\n%s\n' "$rule_file" | sed 's/pam-/pam\\-/g'
    sed 1d "$here/pam-accesscontrol.conf" | for_roff | awk '
        /^# [-\\]+ / { gsub(/^# [-\\]+ | [-\\]+$/, ""); printf ".fi\n.SH %s\n.nf\n.in 3n\n", toupper($0); next }
        !/^# / && !/^#?$/ { sub(/^#?/, "    ") }
        { sub(/^# ?/, ""); print }'
    printf '.fi\n.SH SEE ALSO\n.BR pam\\-accesscontrol (8)\n'
}

print_the_completion() {
    cat <<'END'
# Bash completion of pam-accesscontrol. Written by install.sh, from what --help says.
_pam_accesscontrol() {
    local known=""
    case $COMP_CWORD,${COMP_WORDS[1]} in
END
    for subcommand in '' $subcommands; do
        options=$(grep -o -e '--[a-z][a-z-]*' "$scratch/help${subcommand:+-$subcommand}" | sort -u)
        place="*,$subcommand"
        [ -n "$subcommand" ] || place='1,*' options="$subcommands $options"
        printf '    %s) known="%s" ;;\n' "$place" "$(printf %s "$options" | tr '\n' ' ')"
    done
    cat <<'END'
    esac
    mapfile -t COMPREPLY < <(compgen -W "$known" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _pam_accesscontrol pam-accesscontrol
END
}

put_the_hook_of_apt_in() {
    [ -d "${apt_hook%/*}" ] || return 0
    cat >"$scratch/hook" <<END
// After each run of apt, says whether logins have lost their guard. Written by install.sh of pam-accesscontrol.
DPkg::Post-Invoke { "[ ! -x $share/install.sh ] || $share/install.sh --after-apt || true"; };
END
    put "$scratch/hook" "$apt_hook" 644
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

why_not() { # NAME in lower case: why no service of that name can be guarded
    case $1 in
    '' | -* | .* | *[!a-z0-9._@+-]*)
        echo "not the name of a PAM service: '$(printf %s "$1" | tr -c '[:print:]' '?')'"
        ;;
    *)
        ! is_no_service "$1" || echo "$1 is not a service of its own, so it cannot be guarded"
        case " $greeters " in *" $1 "*) echo "$1 is a greeter, and no rule is for it" ;; esac
        ;;
    esac
}

in_lower_case() { tr '[:upper:]' '[:lower:]'; } # as libpam takes the name of a service

take_the_name() { # SERVICE, which the admin names
    case $1 in -*) misused "no such argument: $1 (see --help)" ;; esac
    service=$(printf %s "$1" | in_lower_case)
    why=$(why_not "$service")
    [ -z "$why" ] || misused "$why (see --help)"
    [ -f "$pam_folder/$service" ] || [ -n "$(vendor_file "$service")" ] ||
        misused "there is no PAM service $1: no such file in $pam_folder $vendor_folders"
    named="$named $service"
}

read_what_is_remembered() {
    [ -f "$services" ] || return 0
    sed 's/#.*//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' "$services" | in_lower_case |
        awk '!seen[$0]++' >"$scratch/remembered"
    while read -r service; do
        why=$(why_not "$service")
        if [ -n "$why" ]; then complain "$services: ignored: $why"; else remembered="$remembered $service"; fi
    done <"$scratch/remembered"
}

remember_what_is_guarded() { # with what is remembered and has no file at present, or cannot be guarded any more
    for service in $remembered; do
        case " $guarded " in *" $service "*) ;; *) own="$own $service" ;; esac
    done
    {
        cat <<'END'
# The PAM services that install.sh guards, and guards again when a package has
# put its own file in the place of theirs. Written by install.sh.
END
        # shellcheck disable=SC2086 # one line for each service
        printf '%s\n' $own
    } >"$scratch/services"
    put "$scratch/services" "$services" 644
}

guarded_already() {
    for file in "$pam_folder"/*; do
        [ -f "$file" ] || continue
        is_no_service "${file##*/}" || ! grep -qaE "^(auth|account|session).*${mark}[[:space:]]*\$" "$file" ||
            printf '%s\n' "${file##*/}"
    done
}

choose_the_services() {
    known=$(ask_the_plugin --services | awk '{ print $2 }')
    [ -n "$known" ] || fail "accesscontrol.py does not tell which services it knows; no service was changed"
    wanted=''
    for service in $known $(guarded_already) $remembered $named; do
        for one in "$service" "$service-l" "$service-i"; do # what a rule for su is for
            ! has_a_file "$one" || wanted="$wanted $one"
        done
    done
    mkdir "$scratch/files"
    # shellcheck disable=SC2086 # one word for each service
    ask_the_plugin --plan "$loader" "$scratch/files" $wanted >"$scratch/plan" ||
        fail "accesscontrol.py does not tell how it is called; no service was changed"
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

can_be_undone() { # FILE DRAFT: whether uninstall.sh will give the file back as it is, but for lines of ours
    without_our_lines "$1" >"$scratch/without" &&
        without_our_lines "$2" | cmp -s - "$scratch/without" &&
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

guard() { # SERVICE WAY WHY, as the plugin has planned it
    file=$pam_folder/$1 origin=''
    if [ -L "$file" ]; then
        file=$(readlink -f "$file") || true
        [ "${file%/*}" = "$(readlink -f "$pam_folder")" ] || {
            unguarded "$1" "$pam_folder/$1 is a link to ${file:-nowhere}"
            return 0
        }
    elif [ ! -e "$file" ]; then
        origin=$(vendor_file "$1")
        [ -n "$origin" ] || return 0
    fi
    [ -f "${origin:-$file}" ] || {
        unguarded "$1" "$file is not a file"
        return 0
    }
    can_be_undone "${origin:-$file}" "$scratch/files/$1" || {
        unguarded "$1" "${origin:-$file} is not text"
        return 0
    }
    if [ "$2" = none ]; then
        unguarded "$1" "$3"
        [ -z "$origin" ] || return 0
    elif [ "$2" = included ] && [ -n "$origin" ]; then # as Debian's su-l, which includes su
        guarded="$guarded $1"
        return 0
    fi
    cmp -s "$scratch/files/$1" "$file" || replace "$file" "$scratch/files/$1" "${origin:-$file}" || {
        unguarded "$1" "$file cannot be written"
        return 0
    }
    [ "$2" != none ] || return 0
    guarded="$guarded $1"
    [ "$2" = included ] || own="$own $1"
    [ -z "$3" ] || complain "$1 is guarded by $2, $3"
}

guard_the_services() {
    while read -r service way why; do
        case $way in
        includes | past) ;;
        danger) incomplete=yes ;; # check says what it is
        *) guard "$service" "$way" "$why" ;;
        esac
    done <"$scratch/plan"
    guarded=${guarded# }
    [ -n "$guarded" ] || fail "no service of this computer could be guarded"
}

# ---- What to know afterwards -----------------------------------------------------------------------------------------

tell_what_obeys_too() {
    includers=$(awk '$2 == "includes" { printf " %s", $1 }' "$scratch/plan")
    [ -z "$includers" ] || in_lines <<END
These services include one of them, and obey the rules where they run as root; a screen locker that runs as the person\
 is never judged:$includers
END
}

tell_of_python_programs() { # pam_python.so in them is a second Python, which they are not made for
    found=$(/usr/bin/python3 -I -c '
from importlib.util import find_spec
print(*(name for name in ("jupyterhub", "pamela", "pam", "PAM", "wsgidav") if find_spec(name)))' 2>/dev/null) || true
    for program in /usr/local/bin/jupyterhub /opt/*/bin/jupyterhub /opt/*/*/bin/jupyterhub /srv/*/bin/jupyterhub; do
        [ ! -e "$program" ] || found="${found:+$found }$program"
    done
    [ -z "$found" ] || complain "a program in Python crashes when it uses login, sshd or the like ($found is here):" \
        "give it a PAM service of its own in $pam_folder, which install.sh can guard"
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
    in_lines <<END
The rules: $rule_file
Next: edit them, run pam-accesscontrol check, and keep a root shell open until you have logged in anew. The way out,\
 from that shell: $share/uninstall.sh
What pam-accesscontrol check finds now:
END
    { "$loader" check 2>&1 || true; } | in_lines
}

# ---- What apt has changed --------------------------------------------------------------------------------------------

# What apt calls: of what the guarded services call, is everything there, and do they still call it? It starts nothing
# but grep, and says nothing where that is missing.
after_apt() {
    [ -z "${PAM_ACCESSCONTROL_IS_AT_WORK-}" ] || return 0
    files='' # of the services
    while read -r service _; do
        case $service in '' | .* | *[!A-Za-z0-9._@+-]*) continue ;; esac
        for place in $pam_folder $vendor_folders; do
            [ ! -f "$place/$service" ] || { files="$files $place/$service" && break; }
        done
    done <"$services"
    [ -n "$files" ] || return 0
    said=$(what_is_missing)
    # shellcheck disable=SC2046,SC2086 # one word for each file
    unguarded=$(names_of $(grep -LaE "^account[[:space:]][^#]*accesscontrol\.py[^#]*${mark}" $files 2>/dev/null))
    case $unguarded in
    '') ;;
    *,*) said="${said:+$said; }$unguarded are not guarded any more, and obey no rule" ;;
    *) said="${said:+$said; }$unguarded is not guarded any more, and obeys no rule" ;;
    esac
    [ -z "$said" ] || printf 'pam-accesscontrol: %s: run %s/install.sh\n' "$said" "$share" >&2
}

names_of() { # FILE...
    names=''
    for file; do names="${names:+$names, }${file##*/}"; done
    printf %s "$names"
}

# shellcheck disable=SC2046,SC2086 # one word for each file, and for each word of a line
what_is_missing() { # of what the lines in these files call, and whom that refuses
    set -f
    called=''
    for word in $(grep -haE "^[^#]*${mark}[[:space:]]*\$" $files 2>/dev/null) "$module"; do
        case $word in /* | pam_*.so) ;; *) continue ;; esac
        case " $called " in *" $word "*) ;; *) called="$called $word" ;; esac
    done
    set +f --
    missing='' is=is
    for word in $called; do
        case $word in /*) [ ! -e "$word" ] ;; *) [ -z "$(find_pam_module "$word")" ] ;; esac || continue
        [ -z "$missing" ] || is=are
        missing="${missing:+$missing, }$word"
        [ "$word" != "$module" ] || word=$mark # each line of ours needs it
        set -- "$@" -e "$word"
    done
    [ -n "$missing" ] || return 0
    refused=$(names_of $(grep -laF "$@" $files 2>/dev/null))
    [ -z "$refused" ] || printf %s "$missing $is missing, so every login to $refused is refused"
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
    for place in "$pam_folder" "${rule_file%/*}" "$share" "$manual"/man[58] "$completions" "${apt_hook%/*}" $folder; do
        rm -f "$place"/.pam-accesscontrol.*
    done
    rmdir "$library" "$share" 2>/dev/null || true # where nothing was put in
    [ -z "$folder" ] || [ -e "$loader" ] || rmdir "$folder" "$state" 2>/dev/null || true
    rm -f "$lock"
}

case ${1-} in
--help | -h) usage && exit ;;
--after-apt)
    [ ! -f "$services" ] || [ ! -r "$services" ] || after_apt || true
    exit 0
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
for argument; do
    case $argument in --ask) ask=yes ;; *) take_the_name "$argument" ;; esac
done
[ "$(id -u)" -eq 0 ] || misused "must be run as root"
for file in $shared; do
    [ -f "$here/$file" ] || fail "there is no $file beside install.sh"
done
[ -d "$pam_folder" ] || fail "there is no $pam_folder"

must_be_roots_alone "$share"
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
read_what_is_remembered
choose_the_services
put_what_stays_in
put_the_rules_in
put_the_module_in
put_the_loader_in
put_the_command_in
guard_the_services
remember_what_is_guarded
put_the_hook_of_apt_in
tell_what_comes_next
[ -z "$incomplete" ]
