/* Tells, on standard error, of a thread other than the main one that reads the environment or asks the resolver, which does so too. For
   LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell(const char *what, const char *name) {
    if (gettid() != getpid())
        dprintf(2, "off the main thread: %s(%s)\n", what, name ? name : "");
}

char *getenv(const char *name) {
    static char *(*real)(const char *);
    if (!real)
        real = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
    tell("getenv", name);
    return real(name);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    tell("getaddrinfo", node);
    return real(node, service, hints, found);
}
