/*
 * kill -9 at any moment: a writer acknowledges each committed change over a
 * pipe and is killed after a random time, again and again. After each kill the
 * registry opens, passes SQLite's integrity check, and has every acknowledged
 * change (and at most the one that was under way).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "state/reg_priv.h"
#include "t/lib/tap.h"

#define ROUNDS 100

static char dir[300];

struct ack {
	uint32_t round, number;
};

/* Settings ack/ROUND count up; devices come and go; events are written. Each ack follows a commit. */
static void writer(uint32_t round, int out)
{
	struct registry *reg;
	struct vgpu_err err;

	if (reg_open(&reg, dir, REG_F_CREATE, &err))
		_exit(1);
	for (uint32_t i = 1;; i++) {
		struct reg_create c = REG_CREATE_INIT;
		struct ack a = { round, i };
		struct vgpu_device d;
		char key[40], value[40];

		snprintf(key, sizeof(key), "ack/%u", round);
		snprintf(value, sizeof(value), "%u", i);
		if (reg_begin(reg, &err) || reg_device_create(reg, &c, &d, &err) ||
		    reg_setting_set(reg, key, value, &err) || reg_event_add(reg, d.uuid, "test", value, &err) ||
		    reg_device_remove(reg, d.uuid, &err) || reg_commit(reg, &err))
			_exit(2);
		if (write(out, &a, sizeof(a)) != sizeof(a))
			_exit(3);
	}
}

static int count_rows(void *arg, int n, char **v, char **names)
{
	(void)n;
	(void)names;
	if (strcmp(v[0], "ok"))
		diag("integrity_check: %s", v[0]);
	else
		++*(int *)arg;
	return 0;
}

static bool integrity(void)
{
	char file[400];
	sqlite3 *db;
	int good = 0;

	snprintf(file, sizeof(file), "%s/registry.db", dir);
	if (sqlite3_open(file, &db) == SQLITE_OK)
		sqlite3_exec(db, "PRAGMA integrity_check", count_rows, &good, NULL);
	sqlite3_close(db);
	return good == 1;
}

static bool acknowledged_is_there(struct registry *reg, uint32_t round, uint32_t acked)
{
	struct vgpu_err err;
	char key[40], *value = NULL;
	uint32_t have;

	snprintf(key, sizeof(key), "ack/%u", round);
	if (reg_setting_get(reg, key, &value, &err)) {
		diag("%s", err.text);
		return false;
	}
	have = value ? (uint32_t)strtoul(value, NULL, 10) : 0;
	free(value);
	if (have != acked && have != acked + 1)
		diag("round %u: %u acknowledged, %u there", round, acked, have);
	return have == acked || have == acked + 1;
}

int main(void)
{
	uint32_t acked[ROUNDS] = { 0 };
	int opened = 0, sound = 0, kept = 0, clean = 0;
	uint64_t total = 0;
	unsigned seed = (unsigned)time(NULL) ^ (unsigned)getpid();

	plan(6);
	tap_timeout(300);
	diag("seed %u", seed);
	srand(seed);
	snprintf(dir, sizeof(dir), "%s/state", test_tmpdir());
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct vgpu_device devs[VGPU_MAX_DEVICES];
		struct registry *reg = NULL;
		struct vgpu_err err;
		struct ack a;
		size_t n = 99;
		int fds[2], status;
		pid_t pid;

		if (pipe(fds) || (pid = fork()) < 0)
			bail("fork");
		if (pid == 0) {
			close(fds[0]);
			writer(round, fds[1]);
		}
		close(fds[1]);
		/* every other writer is killed once it has got to write, the rest wherever they are */
		if (round % 2 && read(fds[0], &a, sizeof(a)) == sizeof(a))
			acked[a.round] = a.number;
		usleep((useconds_t)(rand() % 40000));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status))
			diag("round %u: the writer ended by itself: %d", round, WEXITSTATUS(status));
		while (read(fds[0], &a, sizeof(a)) == sizeof(a))
			acked[a.round] = a.number;
		close(fds[0]);
		total += acked[round];
		if (reg_open(&reg, dir, REG_F_CREATE, &err))
			diag("round %u: %s", round, err.text);
		else
			opened++;
		kept += reg && acknowledged_is_there(reg, round, acked[round]);
		clean += reg && reg_devices(reg, devs, &n, &err) == 0 && n == 0;
		reg_close(reg);
		sound += integrity();
	}
	diag("%llu changes were acknowledged", (unsigned long long)total);
	is_int(opened, ROUNDS, "the registry opens after each of %d kills", ROUNDS);
	is_int(sound, ROUNDS, "… and passes the integrity check");
	is_int(kept, ROUNDS, "… and has what was acknowledged");
	is_int(clean, ROUNDS, "… and no half of a change");
	ok(total >= ROUNDS / 2, "the writers got to write");
	{
		struct registry *reg;
		struct vgpu_err err;
		int all = 0;

		if (reg_open(&reg, dir, 0, &err))
			bail("%s", err.text);
		for (uint32_t r = 0; r < ROUNDS; r++)
			all += acknowledged_is_there(reg, r, acked[r]);
		reg_close(reg);
		is_int(all, ROUNDS, "all rounds' changes are there in the end");
	}
	return 0;
}
