#!/usr/bin/env bash
# bundle/run-gpu-checks without a GPU: its plan, and that it keeps its promises whatever its programs
# do. They are scripts here, which say that there is a GPU, and may hang.
#
#   check.sh SOURCE_DIR

set -uo pipefail
script=$1/bundle/run-gpu-checks
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
check() { # WHAT COMMAND...: the command succeeds
    local what=$1
    shift
    if ! "$@"; then
        echo "NOT SO: $what"
        failures=$((failures + 1))
    fi
}
says() { grep -qE "$2" "$1"; } # FILE PATTERN

# ---- The plan ----------------------------------------------------------------------------------
plan=$scratch/plan
(cd "$scratch" && "$script" --dry-run) >"$plan"
check "a dry run ends with 0" test $? -eq 0
check "a dry run writes nothing" test "$(ls "$scratch")" == plan
names=$(awk '$3 == "s" { print $1 }' "$plan")
first=$(echo "$names" | head -4 | tr '\n' ' ')
check "first come correctness and the largest network, not: $first" \
    test "$first" == "devices gpu-tests calibrate-resnet18-imagenet map-resnet18-imagenet-b1 "
check "every step has a bound" test "$(awk '$2 ~ /^[0-9]+$/ && $3 == "s"' "$plan" | wc -l)" -eq "$(($(wc -l <"$plan") - 1))"
worst=$(awk '$3 == "s" { sum += $2; if ($1 == "sanitizer-synccheck") print sum }' "$plan")
check "all but the large batches are done in 345 s whatever happens, not in ${worst:-?} s" test "${worst:-999}" -le 345
most=$(sed -n 's/^in all at most \([0-9]*\) s.*/\1/p' "$plan")
check "with what is no step it is within six minutes" test "${most:-999}" -le 345
"$script" >/dev/null 2>&1
check "without a folder it says how to use it" test $? -eq 2
"$script" --seconds none "$scratch/out" >/dev/null 2>&1
check "seconds are a number" test $? -eq 2

# ---- Runs ----------------------------------------------------------------------------------------
# bundle NAME: a folder with programs of which each does its work at once.
bundle() {
    mkdir -p "$scratch/$1/bin"
    cp "$script" "$scratch/$1/"
    cat >"$scratch/$1/bin/hetmap" <<'END'
#!/usr/bin/env bash
out="" command=$1
while [[ $# -gt 0 ]]; do
    case $1 in
    --out | --resume) out=$2 ;;
    esac
    shift
done
case $command in
show) printf 'cpu    the cores\ncuda0  GPU of Paper\n' ;;
calibrate | map) echo "$command" >>"$out" ;;
validate) printf '{\n  "predicted_us": 5.5,\n  "outputs_identical": true\n}\n' ;;
esac
END
    for program in gpu_tests gpu_speed_benchmark; do
        printf '#!/usr/bin/env bash\necho "[doctest] %s"\n' $program >"$scratch/$1/bin/$program"
    done
    chmod +x "$scratch/$1/bin/"*
}
hangs() { printf '#!/usr/bin/env bash\ntrap "" INT\necho begun\nsleep %s\n' "$2" >"$1"; }
# run NAME OPTION...: its exit code in `code`, its output in `out`.
run() {
    local name=$1
    shift
    out=$scratch/$name/out
    "$scratch/$name/run-gpu-checks" "$@" "$out" >"$scratch/$name/printed" 2>&1
    code=$?
}

bundle good
run good
check "where all is well it ends with 0, not with $code" test "$code" -eq 0
check "the results are two files" test "$(cd "$out" && find . -type f | sort | tr '\n' ' ')" == "./results.tar.gz ./summary.txt "
mkdir "$scratch/unpacked" && tar -xzf "$out/results.tar.gz" -C "$scratch/unpacked"
for file in platforms/measured/gpu-of-paper.yaml results/gpu-of-paper/validate-resnet18-imagenet-b8.json \
    results/gpu-of-paper/gpu_speed_benchmark.txt logs/gpu-tests.log logs/summary.txt; do
    check "$file is among them" test -s "$scratch/unpacked/$file"
done
check "the profile has all calibrations" \
    test "$(wc -l <"$scratch/unpacked/platforms/measured/gpu-of-paper.yaml")" -eq 5
check "the summary has the tests' line and the predictions" \
    says "$out/summary.txt" '^ *predicted_us: 5.5 outputs_identical: true$'
check "nothing failed" says "$out/summary.txt" '^[0-9]+ passed, 0 failed'

bundle none
sed -i '/cuda0/d' "$scratch/none/bin/hetmap" && sed -i 's/^calibrate/show) echo cpu ;;\n&/' "$scratch/none/bin/hetmap"
run none
check "without a GPU it ends with 77, not with $code" test "$code" -eq 77

bundle wrong
printf '#!/usr/bin/env bash\nexit 1\n' >"$scratch/wrong/bin/gpu_tests"
run wrong
check "a failed step ends it with 1, not with $code" test "$code" -eq 1
check "and the others ran" says "$out/summary.txt" '^passed   validate-vgg3-fashion-b8'
check "which one it was is said" says "$out/summary.txt" '^FAILED   gpu-tests: exit code 1'

bundle stuck
hangs "$scratch/stuck/bin/gpu_tests" 60
from=$SECONDS
run stuck --seconds 5
took=$((SECONDS - from))
check "a program that hangs is ended in time, not after $took s" test $took -le 10
check "it is named" says "$out/summary.txt" '^FAILED   gpu-tests: not done'
check "what came too late is named" says "$out/summary.txt" '^skipped  calibrate-resnet18-imagenet: no time left'
check "what it said is kept" test "$(tar -xzOf "$out/results.tar.gz" logs/gpu-tests.log | tail -1)" == begun
check "it ends with 1, not with $code" test "$code" -eq 1

bundle taken
hangs "$scratch/taken/bin/gpu_speed_benchmark" 60
out=$scratch/taken/out
"$scratch/taken/run-gpu-checks" "$out" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 100); do
    [[ -s $out/results/gpu-of-paper/gpu_speed_benchmark.txt ]] && break
    sleep 0.1
done
check "what was done is packed before the end" \
    tar -xzf "$out/results.tar.gz" -O results/gpu-of-paper/validate-vgg3-fashion-b8.json >/dev/null
from=$SECONDS
kill -TERM $pid
wait $pid
code=$?
check "who takes the machine away does not wait long" test $((SECONDS - from)) -le 5
check "an interrupted run ends with 1, not with $code" test "$code" -eq 1
check "it says so" says "$out/summary.txt" '^FAILED   interrupted'
check "and leaves two files" test "$(find "$out" -type f | wc -l)" -eq 2

[[ $failures -eq 0 ]] || exit 1
echo "run-gpu-checks: all as promised"
