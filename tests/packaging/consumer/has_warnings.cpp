// Compiled with any of this library's own warnings, this file warns; with its warnings as errors, it does not compile.
int sign(unsigned x, int ignored) {
    int unused;
    int x2 = x;
    if (unsigned x = 3; x2 < x) return x;
    return x2 < x;
}
