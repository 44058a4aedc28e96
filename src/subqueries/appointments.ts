/** What is to be done at the first boundary at which the stream has been read up to some LSN. */

import { asError } from "../lib/errors.ts";
import type { Lsn } from "../model/lsn.ts";
import { isTrap } from "../router/core.ts";

interface Appointment {
  readonly lsn: Lsn;
  readonly keep: () => void;
  readonly cancel: (error: Error) => void;
}

export class Appointments {
  #appointments: Appointment[] = [];

  /** Resolves with what `act` returns. */
  when<Result>(lsn: Lsn, act: () => Result | Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const keep = () => {
        try {
          resolve(act());
        } catch (error) {
          reject(asError(error));
          // Whoever has the boundary ends the process.
          if (isTrap(error)) throw error;
        }
      };
      this.#appointments.push({ lsn, keep, cancel: reject });
    });
  }

  /** To be called at a boundary. */
  reached(received: Lsn): void {
    const appointments = this.#appointments;
    this.#appointments = [];
    for (const appointment of appointments) {
      if (received < appointment.lsn) this.#appointments.push(appointment);
      else appointment.keep();
    }
  }

  cancelAll(error: Error): void {
    for (const { cancel } of this.#appointments) cancel(error);
    this.#appointments = [];
  }
}
