#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * Log lines for operators: time, level, area, one sentence. Libraries don't
 * log; programs and their drivers do, once, at the boundary where an error
 * ends.
 *
 *	log_warn("client", "%s: frame of %d bytes exceeds jute.maxbuffer; closed", peer, size);
 *
 * The sink is a process-wide choice of main: stderr (the default) or syslog.
 * Lines are cut at LOG_LINE_SIZE_MAX bytes; control characters in them are
 * printed as '?', so that a peer can't forge lines. Safe from several threads.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_LINE_SIZE_MAX = 2048 };

void log_use_stderr(void);
void log_use_syslog(const char *program); /* program must live as long as the process */
void log_set_level(enum log_level level); /* the most talkative level that is printed */

void log_error(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const char *area, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
