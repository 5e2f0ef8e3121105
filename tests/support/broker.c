/* Runs broker.py and understands its answer. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef REATTACH_SUPPORT_DIR
#error "REATTACH_SUPPORT_DIR must name the directory of broker.py"
#endif

extern char **environ;

static bool fail(struct broker *b, const char *what)
{
    snprintf(b->error, sizeof b->error, "%s: %s", what, strerror(errno));
    return false;
}

/* Reads to the end and keeps the last `size - 1` bytes at most: what matters is said last. */
static void read_all(int fd, char *out, size_t size)
{
    size_t have = 0;
    char block[512];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        size_t k = (size_t)n;
        if (have + k > size - 1) {
            size_t drop = have + k - (size - 1);
            drop = drop > have ? have : drop;
            memmove(out, out + drop, have - drop);
            have -= drop;
        }
        memcpy(out + have, block, k);
        have += k;
    }
    out[have] = '\0';
}

/* The output is a pipe that only the Python program holds: the broker writes to its own log, so the
   end of the pipe is the end of the program. */
static bool spawn(struct broker *b, char *const arguments[], char *out, size_t size)
{
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(b, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    errno = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
    bool spawned = errno == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!spawned) {
        fail(b, arguments[0]);
        close(ends[0]);
        return false;
    }
    int status = 0;
    read_all(ends[0], out, size);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    snprintf(b->error, sizeof b->error, "%s", out);
    return false;
}

static long json_number(const char *text, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtol(at + strlen(key), NULL, 10);
}

static bool run(struct broker *b, const char *const words[], int count)
{
    char out[1024];
    const char *python = getenv("PYTHON");
    const char *arguments[16] = { python != NULL ? python : "python3",
                                  REATTACH_SUPPORT_DIR "/broker.py" };
    for (int i = 0; i < count; i++)
        arguments[2 + i] = words[i];
    /* posix_spawn takes char *const * for historical reasons and changes nothing. */
    if (!spawn(b, (char *const *)arguments, out, sizeof out))
        return false;
    if (json_number(out, "port") != 0) {
        b->port = (uint16_t)json_number(out, "port");
        b->pid = (pid_t)json_number(out, "pid");
    }
    return true;
}

static bool simple(struct broker *b, const char *command)
{
    const char *words[] = { command, b->dir };
    return run(b, words, 2);
}

static bool choose_directory(struct broker *b, const char *dir)
{
    const char *tmp = getenv("TMPDIR");
    b->temporary = dir == NULL;
    if (dir != NULL) {
        snprintf(b->dir, sizeof b->dir, "%s", dir);
        return true;
    }
    snprintf(b->dir, sizeof b->dir, "%s/reattach-broker-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(b->dir) != NULL || fail(b, b->dir);
}

bool broker_start_version(struct broker *b, const char *dir, unsigned flags, const char *version)
{
    const char *words[8];
    int n = 0;
    memset(b, 0, sizeof *b);
    if (!choose_directory(b, dir))
        return false;
    words[n++] = "up";
    words[n++] = b->dir;
    if (flags & BROKER_BIG)
        words[n++] = "--big";
    if (flags & BROKER_SLOW_DISK)
        words[n++] = "--slow-disk=300";
    if (version != NULL) {
        words[n++] = "--version";
        words[n++] = version;
    }
    if (run(b, words, n))
        return true;
    char error[sizeof b->error];
    memcpy(error, b->error, sizeof error);
    broker_stop(b);
    memcpy(b->error, error, sizeof error);
    return false;
}

bool broker_start(struct broker *b, const char *dir, unsigned flags)
{
    return broker_start_version(b, dir, flags, NULL);
}

bool broker_kill9(struct broker *b)
{
    if (!simple(b, "kill"))
        return false;
    b->pid = 0;
    return true;
}

bool broker_resume(struct broker *b)
{
    return simple(b, "start");
}

bool broker_restart(struct broker *b)
{
    return simple(b, "restart");
}

void broker_stop(struct broker *b)
{
    if (b->dir[0] == '\0')
        return;
    simple(b, b->temporary ? "cleanup" : "stop");
    if (b->temporary)
        rmdir(b->dir); /* still there, and empty, when creation had failed */
    b->pid = 0;
    b->dir[0] = '\0';
}

bool broker_shared(struct broker *b)
{
    const char *port = getenv("REATTACH_BROKER_PORT");
    memset(b, 0, sizeof *b);
    if (port == NULL || atoi(port) <= 0 || atoi(port) > 65535)
        return false;
    b->port = (uint16_t)atoi(port);
    return true;
}
