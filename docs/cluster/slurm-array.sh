#!/bin/bash
# A study as a Slurm array: one share a task, and a job after them that joins the shares.
#
#   STUDY=runs/losses SHARES=8 docs/cluster/slurm-array.sh losses --data /shared/WISDM --device cpu
#
# STUDY is the folder that the study gets, on a file system that all nodes see; SHARES is how many tasks it is cut into;
# TRIAX is the program, where it is not on the path. The arguments are those of `triax study`.
#
# Run it on a login node, as above: it hands itself to sbatch, once as an array and once to join. Running it again after a
# failure trains what is missing, and nothing else.
#SBATCH --job-name=triax-study
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --open-mode=append
# A task that is preempted or out of time gets SIGTERM first, and keeps the trainings that have ended.
#SBATCH --signal=TERM@30
set -euo pipefail

: "${STUDY:?the folder of the study, such as STUDY=runs/losses}"
: "${SHARES:?how many shares, such as SHARES=8}"
triax=${TRIAX:-triax}

case ${ROLE:-submit} in
submit)
    mkdir -p "$STUDY-shares"
    log=$STUDY-shares/%x-%a.log
    # sbatch passes the arguments on as they are, and the variables through the environment.
    array=$(ROLE=share sbatch --parsable --array="1-$SHARES" --output="$log" "$0" "$@")
    joining=$(ROLE=join sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes \
        --output="$STUDY-shares/join.log" "$0" "$@")
    echo "shares are job $array, joining is job $joining; logs are in $STUDY-shares"
    ;;
share)
    share=$SLURM_ARRAY_TASK_ID
    srun "$triax" study "$@" --shard "$share/$SHARES" --out "$STUDY-shares/$share"
    ;;
join)
    parts=()
    for share in $(seq "$SHARES"); do parts+=("$STUDY-shares/$share"); done
    srun "$triax" study merge "${parts[@]}" --out "$STUDY"
    ;;
esac
