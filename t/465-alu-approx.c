#include "t/lib/tap.h"
int main(void) { skip_all("x"); }
