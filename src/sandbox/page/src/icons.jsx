// The page's few pictures, as inline SVG.
import { useId } from "react";

function Icon({ children, size = 18, ...rest }) {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" {...rest}>
      {children}
    </svg>
  );
}

export const Send = (props) => <Icon {...props}><path d="M4 12 3.5 4.700a.6.6 0 0 1 .9-.6l16.3 7.400a.6.6 0 0 1 0 1L4.4 19.900a.6.6 0 0 1-.9-.6zM4 12h8" /></Icon>;
export const Close = (props) => <Icon {...props}><path d="m6 6 12 12M18 6 6 18" /></Icon>;
export const Menu = (props) => <Icon {...props}><path d="M4 7h16M4 12h16M4 17h16" /></Icon>;
export const Sun = (props) => <Icon {...props}><circle cx="12" cy="12" r="4" /><path d="M12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M5.3 18.700l1.4-1.400M17.3 6.700l1.4-1.4" /></Icon>;
export const Moon = (props) => <Icon {...props}><path d="M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500z" /></Icon>;
export const Reply = (props) => <Icon {...props}><path d="M20 12a8 7 0 0 1-11.5 6.300L4 20l1.4-3.900A6.8 6.8 0 0 1 4 12a8 7 0 0 1 16 0z" /><path d="M9 12h6" /></Icon>;
export const Globe = (props) => <Icon {...props}><circle cx="12" cy="12" r="8.5" /><path d="M3.5 12h17M12 3.500c2.5 2.6 3.6 5.4 3.6 8.500s-1.1 5.9-3.6 8.500c-2.5-2.6-3.6-5.4-3.6-8.500S9.5 6.1 12 3.500z" /></Icon>;
export const Eye = (props) => <Icon {...props}><path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z" /><circle cx="12" cy="12" r="2.8" /></Icon>;
export const Dots = (props) => <Icon {...props}><circle cx="5.5" cy="12" r="1" fill="currentColor" /><circle cx="12" cy="12" r="1" fill="currentColor" /><circle cx="18.5" cy="12" r="1" fill="currentColor" /></Icon>;
export const Down = (props) => <Icon {...props}><path d="M12 5v14M6 13l6 6 6-6" /></Icon>;
export const File = (props) => <Icon {...props}><path d="M6 3.500h8l4 4v13H6zM14 3.500v4h4" /></Icon>;

/** The bot's face: an alembic. */
export function Alembic({ size = 36 }) {
  const gradient = useId();
  return (
    <svg viewBox="0 0 36 36" width={size} height={size} aria-hidden="true">
      <defs>
        <linearGradient id={gradient} x1="0" y1="0" x2="1" y2="1">
          <stop stopColor="#5046b8" />
          <stop offset="1" stopColor="#231f5c" />
        </linearGradient>
      </defs>
      <rect width="36" height="36" fill={`url(#${gradient})`} />
      <path d="M12 23.200h12l2 3.400a.9.9 0 0 1-.8 1.400H10.800a.9.9 0 0 1-.8-1.400z" fill="#f2b93b" />
      <path d="M14 7.500h8M15.7 7.500v8l-6 10.200a2.3 2.3 0 0 0 2 3.500h12.600a2.3 2.3 0 0 0 2-3.500l-6-10.200v-8" fill="none" stroke="#f5f2ff" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
      <circle cx="16.8" cy="20" r="1.3" fill="#f2b93b" />
      <circle cx="19.8" cy="17.6" r=".95" fill="#f2b93b" />
    </svg>
  );
}
