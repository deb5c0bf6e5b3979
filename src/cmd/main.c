// main.c: the one binary: finds the sub-command and hands over.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "cmd/options.h"
#include "cmd/server.h"
#include "cmd/tool.h"
#include "os/proc.h"

#include <stdio.h>

#define ARGUMENTS_BYTES_MAX ((size_t)4 << 20)

// jemalloc reads it before main. With an arena for some threads each, as it would have by itself,
// every thread that ever ran a large query keeps that memory for seconds while others take it anew.
// What is asked for often and small comes from caches of the threads either way. MALLOC_CONF in the
// environment comes later and wins.
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1";

static int print(const char *text, FILE *to, int code)
{
    return fputs(text, to) < 0 ? EXIT_RUNTIME : code;
}

static int server_help(void)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    options_help(&b);
    const int code = print(b.bytes, stdout, EXIT_OK);
    buf_fini(&b);
    return code;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const str s = str_c(argv[i]);
        if (str_eq(s, STR("--help")) || str_eq(s, STR("-h")) || str_eq(s, STR("-help"))) {
            return true;
        }
    }
    return false;
}

static int main_server(int argc, char **argv, int from)
{
    struct error e = {0};
    struct options o;
    struct arena *a = arena_new(ARGUMENTS_BYTES_MAX);
    int code;
    if (options_parse(argc - from, argv + from, proc_env, a, &o, &e)) {
        code = server_run(&o);
    } else {
        (void)fprintf(stderr, "tidemark: %s\n", e.text);
        code = EXIT_USAGE;
    }
    arena_free(a);
    return code;
}

int main(int argc, char **argv)
{
    const str word = argc > 1 ? str_c(argv[1]) : STR("server");
    if (str_eq(word, STR("version")) || str_eq(word, STR("--version"))) {
        return print("tidemark " TIDEMARK_VERSION "\n", stdout, EXIT_OK);
    }
    const bool is_flag = word.len > 0 && word.ptr[0] == '-';
    if (str_eq(word, STR("help")) ||
        ((is_flag || str_eq(word, STR("server"))) && wants_help(argc, argv))) {
        return server_help();
    }
    if (is_flag || str_eq(word, STR("server"))) {
        return main_server(argc, argv, is_flag ? 1 : MIN(argc, 2));
    }
    if (str_eq(word, STR("tool"))) {
        return tool_run(argc - 2, argv + 2);
    }
    (void)fprintf(stderr,
                  "tidemark: unknown command \"%s\": there are server, tool, version and help\n",
                  argv[1]);
    return EXIT_USAGE;
}
