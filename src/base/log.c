#include "src/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static struct {
	enum log_level level;
	bool to_syslog;
} sink = {.level = LOG_LEVEL_INFO};

void log_use_stderr(void)
{
	sink.to_syslog = false;
}

void log_use_syslog(const char *program)
{
	openlog(program, LOG_PID, LOG_DAEMON);
	sink.to_syslog = true;
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

static const char *level_name(enum log_level level)
{
	static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};

	return names[level];
}

static int syslog_priority(enum log_level level)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

	return priorities[level];
}

static void mask_control_characters(char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < 0x20 || *line == 0x7f)
			*line = '?';
}

/* One write(2) a line, so that lines of several threads don't mix. */
static void print_line(enum log_level level, const char *area, const char *sentence)
{
	char line[LOG_LINE_SIZE_MAX + 64];
	struct timespec now;
	struct tm day;
	int size;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &day);
	size = snprintf(line, sizeof(line), "%04d-%02d-%02d %02d:%02d:%02d,%03ld %s %s: %s\n",
			day.tm_year + 1900, day.tm_mon + 1, day.tm_mday, day.tm_hour, day.tm_min,
			day.tm_sec, now.tv_nsec / 1000000, level_name(level), area, sentence);
	if (size >= (int)sizeof(line))
		size = (int)sizeof(line) - 1;
	/* There is nobody to tell that stderr is gone. */
	(void)!write(STDERR_FILENO, line, (size_t)size);
}

static void log_va(enum log_level level, const char *area, const char *format, va_list args)
{
	char sentence[LOG_LINE_SIZE_MAX - 64];

	if (level > sink.level)
		return;
	vsnprintf(sentence, sizeof(sentence), format, args);
	mask_control_characters(sentence);
	if (sink.to_syslog)
		syslog(syslog_priority(level), "%s: %s", area, sentence);
	else
		print_line(level, area, sentence);
}

void log_error(const char *area, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_va(LOG_LEVEL_ERROR, area, format, args);
	va_end(args);
}

void log_warn(const char *area, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_va(LOG_LEVEL_WARN, area, format, args);
	va_end(args);
}

void log_info(const char *area, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_va(LOG_LEVEL_INFO, area, format, args);
	va_end(args);
}

void log_debug(const char *area, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_va(LOG_LEVEL_DEBUG, area, format, args);
	va_end(args);
}
