/* reg_sql.c: the text of every statement; the list is reg_sql.def. */
#include "state/reg_priv.h"

const char *const reg_sql[REG_Q_COUNT] = {
#define Q(name, text) [REG_Q_##name] = text,
#include "state/reg_sql.def"
#undef Q
};
