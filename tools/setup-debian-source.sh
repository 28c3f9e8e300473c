# shellcheck shell=bash disable=SC2154
#
# Fetches a Debian source package without touching the system: apt gets a
# configuration of its own, a list of source packages derived from this
# machine's lists, and its state and cache in the temporary directory. Root is
# not needed, and apt verifies the signatures with the machine's keys, as ever.
# Read by tools/setup.sh.

debian_release() {
    sed -n 's/^VERSION_CODENAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null
}

# debian_source_fetch PACKAGE DIRECTORY: leaves its archives there.
debian_source_fetch() {
    local state=$scratch/apt
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$2" || return
    debian_source_lists >"$state/debian.sources"
    if [ ! -s "$state/debian.sources" ]; then
        echo "no Debian archive with component main in /etc/apt/sources.list or sources.list.d"
        return 1
    fi
    cat "$state/debian.sources"
    cat >"$state/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "$state/debian.sources";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$state/lists";
Dir::Cache "$state/cache";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
APT::Sandbox::User "root";
EOF
    # An archive without source packages is no failure if another has this one.
    apt-get -q -c "$state/apt.conf" update || true
    (cd "$2" && apt-get -q -c "$state/apt.conf" source --download-only "$1")
}

# This machine's entries for its own Debian release, as entries for source
# packages; those that name a release by its state ("stable") only where none
# names this release.
debian_source_lists() {
    local release suites entries
    release=$(debian_release)
    for suites in "$release $release-updates $release-security $release/updates" \
        "oldstable oldstable-updates oldstable-security stable stable-updates stable-security testing unstable sid"; do
        entries=$({
            paragraphs /etc/apt/sources.list.d/*.sources
            paragraphs /etc/apt/sources.list /etc/apt/sources.list.d/*.list | lines_to_stanzas
        } | stanzas_for_source "$suites")
        if [ -n "$entries" ]; then
            printf '%s\n' "$entries"
            return
        fi
    done
}

# The files that there are, with an empty line after each.
paragraphs() {
    local file
    for file in "$@"; do
        [ ! -r "$file" ] || awk '{ print } END { print "" }' "$file"
    done
}

# "deb [signed-by=KEY] URI SUITE COMPONENT..." as a stanza of fields.
lines_to_stanzas() {
    awk '
        $1 != "deb" && $1 != "deb-src" { next }
        {
            sub(/#.*/, "")
            key = ""
            if (match($0, /\[[^]]*\]/)) {
                options = substr($0, RSTART + 1, RLENGTH - 2)
                $0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
                if (match(options, /signed-by=[^ \t]+/))
                    key = substr(options, RSTART + 10, RLENGTH - 10)
                gsub(",", " ", key)
            }
            print "URIs: " $2 "\nSuites: " $3
            $1 = $2 = $3 = ""
            print "Components:" $0
            if (key != "")
                print "Signed-By: " key
            print ""
        }'
}

# Of the stanzas read, those of a Debian archive with component main and some
# of the suites given: as "deb-src", with these suites and the same key, once.
stanzas_for_source() {
    awk -v suites="$1" '
        function finish(   i, n, word, found, stanza) {
            n = split(field["suites"], word)
            for (i = 1; i <= n; i++) {
                sub("/$", "", word[i])
                if (word[i] in known)
                    found = found " " word[i]
            }
            if (found != "" && " " field["components"] " " ~ /[ \t]main[ \t]/ &&
                field["enabled"] !~ /^(no|false|without|off|disable|0)$/ &&
                field["uris"] field["signed-by"] ~ /debian/ && field["uris"] !~ /cdrom:/) {
                stanza = "Types: deb-src\nURIs: " field["uris"] "\nSuites:" found "\nComponents: main\n"
                if (field["signed-by"] != "")
                    stanza = stanza "Signed-By: " field["signed-by"] "\n"
                if (!(stanza in printed))
                    print stanza
                printed[stanza]
            }
            split("", field)
        }
        BEGIN {
            n = split(suites, word)
            for (i = 1; i <= n; i++)
                known[word[i]]
        }
        /^#/ { next }
        /^[ \t]*$/ { finish(); next }
        /^[ \t]/ {
            # A key that is given in full keeps its lines.
            field[name] = field[name] (name == "signed-by" ? "\n" : " ") $0
            next
        }
        {
            name = tolower(substr($0, 1, index($0, ":") - 1))
            field[name] = substr($0, index($0, ":") + 1)
            gsub(/^[ \t]+|[ \t]+$/, "", field[name])
        }
        END { finish() }'
}
