/*
 * The service manager; see service.h. The protocol is one datagram, and descriptors from 3 on,
 * which needs no library.
 */
#include "service.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 3 };

void service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path == NULL ? 0 : strlen(path);
    int notifier = -1;

    if (size == 0 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, size);
    if (path[0] == '@') { /* a name that is no file */
        address.sun_path[0] = '\0';
    }
    notifier = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notifier >= 0) {
        (void)!sendto(notifier, state, strlen(state), MSG_NOSIGNAL,
                      (const struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
        close(notifier);
    }
}

int service_listener(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    int listens = 0;
    socklen_t size = sizeof listens;

    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid() ||
        strtol(count, NULL, 10) < 1 ||
        getsockopt(FIRST_DESCRIPTOR, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens) {
        return -1;
    }
    (void)fcntl(FIRST_DESCRIPTOR, F_SETFD, FD_CLOEXEC);
    (void)fcntl(FIRST_DESCRIPTOR, F_SETFL, fcntl(FIRST_DESCRIPTOR, F_GETFL) | O_NONBLOCK);
    return FIRST_DESCRIPTOR;
}
