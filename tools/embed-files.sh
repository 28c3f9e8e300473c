#!/bin/sh
#
# Prints C source that holds files as arrays of bytes: the web pages that the
# server carries in its binary.
#
#   tools/embed-files.sh VERSION FILE... > web_bytes.c
#
# @VERSION@ in a file becomes VERSION. Needs a POSIX shell, od and sed.

set -eu
version=$1
shift

printf '/* Made by tools/embed-files.sh. */\n#include "web_files.h"\n'
number=0
for file in "$@"; do
    printf '\nstatic const unsigned char file_%d[] = {\n' $number
    sed "s/@VERSION@/$version/g" "$file" | od -An -v -tu1 |
        sed -e 's/  */ /g' -e 's/ \([0-9]*\)/\1,/g'
    printf '};\n'
    number=$((number + 1))
done
printf '\nconst struct web_file web_files[] = {\n'
number=0
for file in "$@"; do
    case $file in
    *.html) type='text/html; charset=utf-8' ;;
    *.css) type='text/css; charset=utf-8' ;;
    *.js) type='text/javascript; charset=utf-8' ;;
    *.json) type='application/json' ;;
    *.svg) type='image/svg+xml' ;;
    *) printf 'embed-files.sh: %s: no media type is known for this name\n' "$file" >&2; exit 1 ;;
    esac
    printf '    {"%s", "%s", (const char *)file_%d, sizeof file_%d},\n' "${file##*/}" "$type" $number $number
    number=$((number + 1))
done
printf '};\nconst size_t web_file_count = sizeof web_files / sizeof web_files[0];\n'
