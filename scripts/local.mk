# Run from the source tree; scripts/test and scripts/quickstart are not installed.
EXTRA_DIST += %D%/common.sh %D%/test %D%/quickstart .ci/run

dist_bin_SCRIPTS += %D%/zkServer.sh %D%/zkServer-initialize.sh %D%/zkEnv.sh
