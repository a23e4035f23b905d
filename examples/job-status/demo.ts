/** A generator of jobs that run, for people who look. */
import type { JobNotifier } from './job-notifier.js';

const TITLES = [
  'Morning mix',
  'Podcast, episode 12',
  'Theme song',
  'Audio book, chapter 3',
  'Ringtone',
  'Field recording',
];
const STEPS = ['Queued', 'Reading the source', 'Rendering', 'Encoding', 'Uploading'];
const STEP_MS = 700;

/** Starts a job every now and then for `userId`, five at a time. @returns stops */
export function runDemoJobs(notifier: JobNotifier, owners: Map<string, string>, userId: string): () => void {
  const jobs = new Map<string, { progress: number; title: string }>();
  let last = 0;
  const timer = setInterval(() => {
    while (jobs.size < 5) {
      const jobId = `job-${++last}`;
      owners.set(jobId, userId);
      jobs.set(jobId, { progress: -Math.random() * 20, title: TITLES[last % TITLES.length] ?? '' });
    }
    for (const [jobId, job] of jobs) {
      job.progress += Math.random() * 9;
      void step(jobId, job);
    }
  }, STEP_MS);
  const step = async (jobId: string, job: { progress: number; title: string }): Promise<void> => {
    const progress = Math.max(0, Math.min(100, Math.round(job.progress)));
    if (progress < 100) {
      const message = STEPS[Math.floor((progress / 100) * STEPS.length)] ?? '';
      await notifier.sendJobStatusUpdate(jobId, progress === 0 ? 'PENDING' : 'PROCESSING', {
        progress,
        message,
        title: job.title,
      });
      return;
    }
    jobs.delete(jobId);
    // The last of every seven fails, so that this is seen as well.
    if (Number(jobId.slice(4)) % 7 === 0)
      await notifier.sendJobErrorNotification(userId, jobId, 'The source has vanished');
    else {
      const result = { contentId: `content-${jobId.slice(4)}`, title: job.title };
      await notifier.sendJobCompletionNotification(userId, jobId, true, result);
    }
    setTimeout(() => owners.delete(jobId), 60_000).unref();
  };
  return () => {
    clearInterval(timer);
  };
}
