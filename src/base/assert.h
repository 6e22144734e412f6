#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/*
 * ASSERT states a fact that only a bug can make false. It is compiled into
 * every build, prints the fact with its place to stderr and ends the process
 * by SIGABRT: recovery is the tested path, going on with wrong state is not.
 * Never use it for what comes from the wire, a file or a command line.
 */
#define ASSERT(fact) ((fact) ? (void)0 : assert_failed(#fact, __FILE__, __LINE__, __func__))

_Noreturn void assert_failed(const char *fact, const char *file, int line, const char *function);

#endif
