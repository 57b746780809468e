"""Never answers; burns time and ignores every signal it can."""

import signal

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)


class Forecaster:
    def fit(self, history, *, horizon, seed):
        pass

    def predict(self, context):
        while True:
            pass
