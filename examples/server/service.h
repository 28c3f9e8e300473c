/*
 * What a service manager is told and gives: readiness (NOTIFY_SOCKET) and a listening socket
 * (LISTEN_FDS), as systemd does it. Outside of one, nothing happens.
 */
#ifndef SERVICE_H
#define SERVICE_H

/* Send such as "READY=1". */
void service_notify(const char *state);

/* The listening socket that was handed over, or -1. Called once, before any thread starts. */
int service_listener(void);

#endif
