#ifndef REPLICA_IO_LOG_PRINT_H
#define REPLICA_IO_LOG_PRINT_H

/*
 * zkfsd --log: prints the transactions of log segments to stdout, one a line,
 * in the order of the files given (NULL ends them). The exit status: 0, or 2
 * with a sentence on stderr for the first file that can't be read.
 */
int log_print(char *const *files);

#endif
